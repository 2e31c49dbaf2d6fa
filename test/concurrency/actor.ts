import { setSyscallObserver } from '#host';
import { applyGc, checkOciImages, checkRepository, collectGarbage, planGc } from '#work/check';
import { tagImage, untagImage } from '#work/image';
import { pullImage } from '#work/pull-image';
import { openOrCreate } from '#work/repository';

/** What an actor is told to do, each with the repository opened anew. */
export type Act =
  | { readonly do: 'pull'; readonly from: string; readonly name: string }
  /** Without a name first: only the lock keeps the image until it is tagged. */
  | {
      readonly do: 'pull, then tag';
      readonly from: string;
      readonly digest: string;
      readonly name: string;
    }
  | { readonly do: 'tag'; readonly image: string; readonly name: string }
  | { readonly do: 'untag'; readonly name: string }
  | { readonly do: 'gc' }
  | { readonly do: 'plan, then gc' }
  /** Reads every layer of an image. */
  | { readonly do: 'read'; readonly name: string }
  | { readonly do: 'fsck' };

/** A pause right before a system call, counted from the start of the order. */
export interface Pause {
  readonly before: number;
  readonly ms: number;
}

/** One order: acts in a row, with pauses. */
export interface Order {
  readonly path: string;
  readonly acts: readonly Act[];
  readonly pauses: readonly Pause[];
}

/** What came of it: the first error as text, and the system calls that were made. */
export interface Answer {
  readonly error: string | undefined;
  readonly syscalls: number;
}

/** A sync costs much on a busy machine and proves nothing between living processes. */
const SYNCS: ReadonlySet<string> = new Set(['syncfs', 'fsync', 'fdatasync']);
const LOCK_TIMEOUT_MS = 30_000;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** Only what the store itself found out of order: an image's lock holders must never see any of it. */
async function perform(path: string, act: Act): Promise<void> {
  using repository = (
    await openOrCreate({ path }, { algorithm: 'sha256', timeoutMs: LOCK_TIMEOUT_MS })
  ).repository;
  const options = { timeoutMs: LOCK_TIMEOUT_MS };
  switch (act.do) {
    case 'pull':
      await pullImage(repository, act.from, { name: act.name });
      return;
    case 'pull, then tag':
      await pullImage(repository, act.from);
      tagImage(repository, `@${act.digest}`, act.name);
      return;
    case 'tag':
      tagImage(repository, act.image, act.name);
      return;
    case 'untag':
      untagImage(repository, act.name);
      return;
    case 'gc':
      await collectGarbage(repository, options);
      return;
    case 'plan, then gc':
      await applyGc(repository, await planGc(repository), options);
      return;
    case 'read': {
      const { findings } = await checkOciImages(repository, { names: [act.name], content: true });
      if (findings.length > 0) throw new Error(JSON.stringify(findings));
      return;
    }
    case 'fsck': {
      const { findings } = await checkRepository(repository);
      if (findings.length > 0) throw new Error(JSON.stringify(findings));
    }
  }
}

async function obey({ path, acts, pauses }: Order): Promise<Answer> {
  const pauseAt = new Map(pauses.map(({ before, ms }) => [before, ms]));
  let syscalls = 0;
  setSyscallObserver((syscall) => {
    const ms = pauseAt.get(syscalls);
    syscalls += 1;
    if (ms !== undefined) Atomics.wait(NEVER, 0, 0, ms);
    return SYNCS.has(syscall) ? 0 : undefined;
  });
  let current = '';
  try {
    for (const act of acts) {
      current = JSON.stringify(act);
      await perform(path, act);
    }
    return { error: undefined, syscalls };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { error: `${current}: ${text}`, syscalls };
  } finally {
    setSyscallObserver(undefined);
  }
}

process.on('message', (order: Order) => {
  void obey(order).then((answer) => process.send?.(answer));
});
