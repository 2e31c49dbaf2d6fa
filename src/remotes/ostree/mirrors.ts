import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { BegunRequest, HttpClient, HttpRequest } from '#remotes/http';
import { redactUrl } from '#remotes/http';
import { MIRROR_LIST_MAX_BYTES, MIRRORS_MAX } from './layout.ts';
import { fileUrl, parseMirrorList, type RemoteLocation } from './urls.ts';

/** Statuses that mean "not here": object stores answer 403 where others say 404. */
export const ABSENT = [403, 404, 410] as const;

/** Reads one copy; throws IntegrityError or FormatError for wrong bytes. */
export type UseCopy<T> = (request: HttpRequest) => Promise<T | undefined>;

/** Result of a first attempt at this base that was made elsewhere. */
export interface FirstAttempt {
  readonly base: URL;
  /** The pending request, or the error for its bytes. */
  readonly outcome: { readonly begun: BegunRequest } | { readonly refused: unknown };
}

/**
 * The bases of a remote. A file is requested from one base after the other. If a copy is missing or unavailable, the next mirror is used.
 * If it is corrupt, the same mirror is asked first, bypassing caches. Source: OSTree spec 4.6, 9.2.
 */
export class Mirrors {
  readonly #client: HttpClient;
  readonly #location: RemoteLocation;
  #bases: Promise<readonly URL[]> | undefined;
  /** Mirrors that failed are used last from then on. */
  readonly #demerits = new Map<URL, number>();

  constructor(client: HttpClient, location: RemoteLocation) {
    this.#client = client;
    this.#location = location;
  }

  /** The base that is used first now; waits only for a mirror list. */
  async preferred(signal: AbortSignal | undefined): Promise<URL | undefined> {
    return (await this.#ordered(signal))[0];
  }

  /** URL of the mirror list: a mirror at another origin gets none of its headers. */
  get namedBy(): URL | undefined {
    return this.#location.mirrorList;
  }

  /** True while no mirror has failed. */
  get isFlawless(): boolean {
    return this.#demerits.size === 0;
  }

  /**
   * Runs `use` on copies of `path` until one succeeds.
   * @returns undefined if no mirror has the file
   * @throws the error of the last failed mirror, even if later mirrors do not have the file
   */
  async find<T>(
    path: string,
    use: UseCopy<T>,
    signal: AbortSignal | undefined,
    first?: FirstAttempt,
  ): Promise<T | undefined> {
    let failure: OnecopyError | undefined;
    const ordered = await this.#ordered(signal);
    const bases = first === undefined ? ordered : firstOf(ordered, first.base);
    for (const base of bases) {
      const url = fileUrl(base, path);
      const outcome = base === first?.base ? first.outcome : undefined;
      try {
        const found = await this.#tryCopies(url, use, signal, outcome);
        if (found !== undefined) return found;
      } catch (error) {
        if (!isOnecopyError(error) || error.kind === 'host') throw error;
        failure = error;
        this.#demerits.set(base, (this.#demerits.get(base) ?? 0) + 1);
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async #tryCopies<T>(
    url: URL,
    use: UseCopy<T>,
    signal: AbortSignal | undefined,
    first: FirstAttempt['outcome'] | undefined,
  ): Promise<T | undefined> {
    const { namedBy } = this;
    try {
      if (first === undefined) return await use({ url, signal, namedBy });
      if ('refused' in first) throw first.refused;
      return await use({ url, signal, namedBy, begun: first.begun });
    } catch (error) {
      const isCorrupt =
        isOnecopyError(error) && (error.kind === 'integrity' || error.kind === 'format');
      if (!isCorrupt) throw error;
      Object.assign(error.details, { url: redactUrl(url.href) });
      return await use({ url, signal, namedBy, bypassCaches: true });
    }
  }

  async #ordered(signal: AbortSignal | undefined): Promise<readonly URL[]> {
    this.#bases ??= this.#resolve(signal).catch((error: unknown) => {
      this.#bases = undefined;
      throw error;
    });
    const bases = await this.#bases;
    if (this.#demerits.size === 0) return bases;
    const demerits = (base: URL) => this.#demerits.get(base) ?? 0;
    return [...bases].sort((a, b) => demerits(a) - demerits(b));
  }

  async #resolve(signal: AbortSignal | undefined): Promise<readonly URL[]> {
    const { bases, mirrorList } = this.#location;
    if (mirrorList === undefined) return bases;
    const { body } = await this.#client.fetchBytes({
      url: mirrorList,
      maxBytes: MIRROR_LIST_MAX_BYTES,
      priority: 0,
      signal,
    });
    return parseMirrorList(Buffer.from(body).toString('utf8'), MIRRORS_MAX);
  }
}

function firstOf(bases: readonly URL[], first: URL): URL[] {
  return [first, ...bases.filter((base) => base !== first)];
}
