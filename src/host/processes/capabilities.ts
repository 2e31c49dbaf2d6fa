import { readFileSync } from 'node:fs';

/** Numbers of capabilities (Linux capability.h). */
const NUMBER = {
  chown: 0,
  dacOverride: 1,
  dacReadSearch: 2,
  fowner: 3,
  fsetid: 4,
  setfcap: 31,
  mknod: 27,
  sysAdmin: 21,
} as const;

/** A right of a process that the project asks about. */
export type ProcessCapability = keyof typeof NUMBER;

/** True if this thread has a capability in its user namespace now; false where /proc cannot tell. */
export function hasProcessCapability(name: ProcessCapability): boolean {
  try {
    const status = readFileSync('/proc/thread-self/status', 'latin1');
    const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
    return digits !== undefined && ((BigInt(`0x${digits}`) >> BigInt(NUMBER[name])) & 1n) === 1n;
  } catch {
    return false;
  }
}
