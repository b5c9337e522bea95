import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Processes with the same name reach each other by loopback addresses. Hosts may share a name; where Linux tells its kernels and their networks apart, so does this. */
export function loopbackNetwork(): string {
  const host = hostname();
  try {
    const kernel = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${host} ${kernel} ${readlinkSync('/proc/self/ns/net')}`;
  } catch {
    // Another operating system, or one without these files.
    return host;
  }
}
