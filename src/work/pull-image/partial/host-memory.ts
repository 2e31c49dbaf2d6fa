import type { BlobLink, RangeAbility } from '#base/flow';
import type { HostMemory } from '#remotes/registry';
import type { KeptFiles, Repository } from '#stores/composefs';

/** How long the behaviour of a host is believed, in seconds: it may be another program tomorrow. */
const BELIEVED_SEC = 24 * 3600;
const NOTE_BYTES_MAX = 4096;
const ABILITIES: readonly RangeAbility[] = ['multi', 'single', 'none'];

/** What is kept of a host. */
interface Note extends BlobLink {
  /** When the ability was found out, in seconds since the epoch. */
  readonly learntSec: number;
}

/** What a repository remembers of hosts: what they do with ranges, and how fast they are. It is asked for again after a day. */
export class RepositoryHostMemory implements HostMemory {
  readonly #files: KeptFiles;
  readonly #isWritable: boolean;

  /** `isWritable`: false only recalls. */
  constructor({ kept }: Pick<Repository, 'kept'>, isWritable: boolean) {
    this.#files = kept.hosts;
    this.#isWritable = isWritable;
  }

  recall(host: string): BlobLink | undefined {
    const { learntSec, ...link } = this.#read(host) ?? { learntSec: 0 };
    return Date.now() / 1000 - learntSec > BELIEVED_SEC ? undefined : link;
  }

  remember(host: string, link: BlobLink): void {
    if (!this.#isWritable) return;
    const known = this.#read(host);
    const isSame = known !== undefined && known.ability === link.ability;
    if (isSame && isNear(known.bytesPerMs, link.bytesPerMs)) return;
    const learntSec = isSame ? known.learntSec : Math.floor(Date.now() / 1000);
    this.#files.write(nameOf(host), Buffer.from(JSON.stringify({ ...link, learntSec })));
  }

  #read(host: string): Note | undefined {
    const text = this.#files.read(nameOf(host), NOTE_BYTES_MAX);
    if (text === undefined) return undefined;
    try {
      return noteOf(JSON.parse(Buffer.from(text).toString('utf8')));
    } catch {
      return undefined;
    }
  }
}

/** What of a note has its form. */
function noteOf(value: unknown): Note | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string, unknown>;
  const positive = (key: string) => {
    const number = fields[key];
    return typeof number === 'number' && number > 0 && Number.isFinite(number) ? number : undefined;
  };
  const ability = ABILITIES.find((one) => one === fields['ability']);
  const [requestMs, bytesPerMs] = [positive('requestMs'), positive('bytesPerMs')];
  return { ability, requestMs, bytesPerMs, learntSec: positive('learntSec') ?? 0 };
}

/** Within a half of each other: not worth writing down. */
function isNear(a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a < 1.5 * b && b < 1.5 * a;
}

/** A host as a file name. */
function nameOf(host: string): string {
  return `host-${host.replace(/[^A-Za-z0-9.:-]/g, '_')}`.slice(0, 200);
}
