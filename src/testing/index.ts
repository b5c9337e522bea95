export { createMortality, interceptedFactory, interceptedStore } from './intercepted-store.ts';
export { testSystem, TestSystem } from './test-system.ts';
export { createVirtualClock, DEFAULT_START_MS } from './virtual-clock.ts';

export type { Fact, Facts } from './facts.ts';
export type { Interceptor, Mortality, PortCall, PortName } from './intercepted-store.ts';
export type { Given, When } from './scenario.ts';
export type { ProgramOptions } from './test-process.ts';
export type { SettledOptions } from './settling.ts';
export type { TestSystemOptions } from './test-system.ts';
export type { ClockSession, VirtualClock, VirtualClockOptions } from './virtual-clock.ts';
