/** Catches up in a process of its own: `catch-up-process.ts {"place":…,"events":…,"position":…}`. */
import { catchUp } from './react.ts';
import type { Position } from '../index.ts';

const { place, events, position } = JSON.parse(process.argv[2] ?? '{}') as {
  place: string;
  events: number;
  position: Position;
};
process.stdout.write(JSON.stringify(await catchUp(place, events, `memory-${position}`, position)));
