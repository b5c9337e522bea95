export { createMortality, interceptedFactory, interceptedStore } from './intercepted-store.ts';
export { simulate } from './simulate.ts';
export { testSystem, TestSystem } from './test-system.ts';
export { createVirtualClock, DEFAULT_START_MS } from './virtual-clock.ts';

export type { Fact, Facts } from './facts.ts';
export type { Interceptor, Mortality, PortCall, PortName } from './intercepted-store.ts';
export type { Given, When } from './scenario.ts';
export type { ProgramOptions } from './test-process.ts';
export type { SettledOptions } from './settling.ts';
export type { Divergence, SimulatedProgram, Simulation, SimulationOptions } from './simulate.ts';
export type { Difference } from './simulation-outcome.ts';
export type { Crash, Plan, SimulationFaults, Telling } from './simulation-plan.ts';
export type { Told } from './simulation-run.ts';
export type { TestSystemOptions } from './test-system.ts';
export type { ClockSession, VirtualClock, VirtualClockOptions } from './virtual-clock.ts';
