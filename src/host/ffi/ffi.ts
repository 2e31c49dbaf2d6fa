import { createRequire } from 'node:module';
import { ErrnoKeeper, type ForeignCall } from './errno-keeper.ts';
import { INT, SIGNATURES, type SystemCalls } from './system-calls.ts';

export { ADDRESS, type SystemCalls } from './system-calls.ts';

/**
 * The only file that uses koffi, the C library and pinned memory.
 *
 * Every system call of the project goes through the table `sys`. The first use loads koffi (a few milliseconds), so programs without file
 * access do not load it. Pointers to names and small structures point into one slab that lives as long as the thread. A raw address keeps
 * nothing alive, so no other memory may be passed as a number.
 */

/** The API of koffi, declared here because only this file uses it. */
interface Koffi {
  load(path: string | null): {
    func(name: string, result: string, parameters: readonly string[]): AnyCall;
  };
  address(reference: unknown): number | bigint;
  errno(): number;
}

/**
 * Calls that must not be repeated. A failed close still closes the descriptor, which may then belong to another file. A failed sync is
 * reported once, and the next one succeeds. Locks fail with EAGAIN when another process holds them.
 */
const NEVER_REPEATED: ReadonlySet<string> = new Set<keyof SystemCalls>([
  'close',
  'fcntl',
  'fdatasync',
  'flock',
  'fsync',
  'syncfs',
]);

const SYSTEM_CALL_NAMES = Object.keys(SIGNATURES) as (keyof SystemCalls)[];
type AnyCall = (...parameters: never[]) => number;

/** Offsets in the slab, in bytes. */
export const SLAB = {
  /** First name or path of a call, NUL terminated; a path is at most 4096 bytes with its NUL (PATH_MAX). */
  nameA: 0,
  /** Second name or path of a call. */
  nameB: 8192,
  /** Always the name `.`: the directory itself. */
  here: 12296,
  /** Always the empty name: the descriptor itself, with AT_EMPTY_PATH. */
  empty: 12304,
  /** Argument structures (statx, timespec, flock, verity, …). */
  struct: 16384,
  /** Values: xattr values and lists, directory entries, extents, symlink targets. */
  value: 32768,
  /** Size of the value area: the largest xattr value or list (XATTR_SIZE_MAX, XATTR_LIST_MAX: 65536). */
  valueBytes: 65536,
} as const;
const SLAB_BYTES = SLAB.value + SLAB.valueBytes;
/** Longest name or path, without its NUL (Linux limits.h PATH_MAX 4096 counts the NUL). */
export const PATH_BYTES_MAX = 4095;

/** Pinned memory: its address, and views of the same bytes. */
export interface Slab {
  readonly address: number;
  readonly bytes: Buffer;
  readonly view: DataView;
}

interface Loaded {
  readonly koffi: Koffi;
  /** The bare foreign functions. */
  readonly calls: Record<keyof SystemCalls, AnyCall>;
  /** The same functions with a kept errno. */
  readonly kept: Record<keyof SystemCalls, AnyCall>;
  readonly keeper: ErrnoKeeper;
  readonly slab: Slab;
}

let loaded: Loaded | undefined;

function load(): Loaded {
  if (loaded !== undefined) return loaded;
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const library = koffi.load(null);
  const calls = {} as Record<keyof SystemCalls, AnyCall>;
  const kept = {} as Record<keyof SystemCalls, AnyCall>;
  const keeper = new ErrnoKeeper(koffi.errno);
  for (const name of SYSTEM_CALL_NAMES) {
    const [result = INT, ...parameters] = SIGNATURES[name];
    calls[name] = library.func(name, result, parameters);
    const mayRepeat = !NEVER_REPEATED.has(name);
    kept[name] = keeper.wrap(calls[name] as ForeignCall, parameters.length, mayRepeat);
  }
  const slab = pin(koffi, SLAB_BYTES);
  slab.bytes.write('.\0', SLAB.here);
  slab.bytes[SLAB.empty] = 0;
  loaded = { koffi, calls, kept, keeper, slab };
  install();
  return loaded;
}

/** Replaces the entries of `sys`: the functions themselves, or watched ones while an observer is set. */
function install(): void {
  if (loaded === undefined) return;
  const table = sys as unknown as Record<keyof SystemCalls, AnyCall>;
  for (const name of SYSTEM_CALL_NAMES) {
    table[name] =
      observer === undefined ? loaded.kept[name] : observed(name, loaded.kept[name], observer);
  }
}

function observed(name: keyof SystemCalls, call: AnyCall, watch: SyscallObserver): AnyCall {
  return (...parameters: never[]) => {
    const errno = watch(name, parameters[0] as unknown as number);
    if (errno === undefined) return call(...parameters);
    if (errno === 0) return 0;
    load().keeper.errno = errno;
    return -1;
  };
}

function unloaded(): SystemCalls {
  const table = {} as Record<keyof SystemCalls, AnyCall>;
  for (const name of SYSTEM_CALL_NAMES) {
    table[name] = (...parameters: never[]) => {
      load();
      return (sys[name] as AnyCall)(...parameters);
    };
  }
  return table as unknown as SystemCalls;
}

/**
 * Called before every system call with its name. Returning undefined makes the call. Returning an errno number fails the call with that
 * errno, and returning 0 makes it return 0, both without reaching the kernel (for example a lost sync). Throwing ends the operation at this
 * point, like a crash. `first` is the first argument: for most calls a descriptor.
 */
export type SyscallObserver = (syscall: keyof SystemCalls, first: number) => number | undefined;

let observer: SyscallObserver | undefined;

/** The system calls. Each entry is the foreign function, unless an observer is set. */
export const sys: SystemCalls = unloaded();

/**
 * Watches (or fails) every system call of this thread, for crash and fault tests; `undefined` stops. Costs nothing while unset.
 */
export function setSyscallObserver(watch: SyscallObserver | undefined): void {
  observer = watch;
  install();
}

type CallInBackground = {
  async(fd: number, done: (error: unknown, result: number) => void): void;
};

/**
 * `syncfs` in a thread of the libuv pool. Returns the result of the call; errno stays in that thread. An observer sees an ordinary call.
 */
export function syncfsInBackground(fd: number): Promise<number> {
  if (observer !== undefined) return Promise.resolve(sys.syncfs(fd));
  const call = load().calls.syncfs as unknown as CallInBackground;
  return new Promise((resolve, reject) => {
    call.async(fd, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

/** C signatures of a library's functions, result first; pointers are addresses (`ADDRESS`). */
export type Signatures<Calls> = Record<keyof Calls & string, readonly string[]>;

/**
 * Opens an optional shared library of the host, by the first of these names that the dynamic linker finds. Undefined if there is none or a
 * function is missing, and always with ONECOPY_ACCELERATION=off in the environment.
 */
export function tryOpenLibrary<Calls>(
  names: readonly string[],
  signatures: Signatures<Calls>,
): Calls | undefined {
  if (process.env['ONECOPY_ACCELERATION'] === 'off') return undefined;
  const { koffi } = loaded ?? load();
  for (const name of names) {
    try {
      const library = koffi.load(name);
      const calls: Record<string, AnyCall> = {};
      for (const [symbol, types] of Object.entries<readonly string[]>(signatures)) {
        const [result = INT, ...parameters] = types;
        calls[symbol] = library.func(symbol, result, parameters);
      }
      return calls as Calls;
    } catch {
      // Try the next name: koffi throws for a missing library and for a missing function.
    }
  }
  return undefined;
}

/** Memory that the garbage collector never moves or frees, for as long as the thread lives. */
export function allocatePinned(sizeBytes: number): Slab {
  return pin((loaded ?? load()).koffi, sizeBytes);
}

function pin(koffi: Koffi, sizeBytes: number): Slab {
  // Memory from koffi would outlive the thread. The memory of an ArrayBuffer does not move either, and is freed with the thread.
  const buffer = new ArrayBuffer(sizeBytes);
  pinned.push(buffer);
  return {
    address: Number(koffi.address(buffer)),
    bytes: Buffer.from(buffer),
    view: new DataView(buffer),
  };
}

/** An address keeps nothing alive, so these are kept as long as the thread lives. */
const pinned: ArrayBuffer[] = [];

/**
 * Address of a buffer. It is valid while the caller holds the buffer, which is never moved (its memory is outside of the heap): use it for
 * one synchronous call.
 */
export function addressOf(buffer: ArrayBufferLike): number {
  const { koffi } = loaded ?? load();
  return Number(koffi.address(buffer));
}

/** The slab of this thread. */
export function slab(): Slab {
  return (loaded ?? load()).slab;
}

/** errno of the last failed call of this thread. */
export function lastErrno(): number {
  return (loaded ?? load()).keeper.errno;
}
