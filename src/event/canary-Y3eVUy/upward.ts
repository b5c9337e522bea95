import type { System } from '../../open.ts';
export type Upward = System;
