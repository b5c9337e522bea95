/** What `npm start` runs in this repository. */
export { default } from './examples/shop/thereupon.config.ts';
