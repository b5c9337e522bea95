export { createApp } from './create-app.ts';
export { AddressUnavailable, UnsafeHost } from './refusals.ts';
export { startServer } from './start-server.ts';

export type { App, AppOptions } from './create-app.ts';
export type { Problem } from './problem.ts';
export type { RunningServer, StartOptions } from './start-server.ts';
