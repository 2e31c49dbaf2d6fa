import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { EndpointAccess } from './access.ts';

/**
 * The endpoints of a repository, in the order of the configuration: mirrors, then the registry. Whoever delivers a manifest
 * is asked first from then on.
 */
export class FailOver {
  readonly #endpoints: readonly EndpointAccess[];
  #preferred = 0;

  /** @param endpoints at least one */
  constructor(endpoints: readonly EndpointAccess[]) {
    this.#endpoints = endpoints;
  }

  /** The one that is asked first. */
  get preferred(): EndpointAccess {
    return this.#endpoints[this.#preferred] as EndpointAccess;
  }

  /** All, in the order in which they are asked: those before the preferred one had nothing, so they come last. */
  get ordered(): readonly EndpointAccess[] {
    const at = this.#preferred;
    return [...this.#endpoints.slice(at), ...this.#endpoints.slice(0, at)];
  }

  prefer(access: EndpointAccess): void {
    this.#preferred = Math.max(0, this.#endpoints.indexOf(access));
  }

  /** Asks the preferred one last from now on. @returns false when it is the only one */
  demote(): boolean {
    this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
    return this.#endpoints.length > 1;
  }

  /** Begins to read something that every endpoint has in the same bytes. */
  begin(): Turn {
    return new Turn(this.ordered);
  }
}

/** Whose turn it is, while one thing is read. */
export class Turn {
  readonly #endpoints: readonly EndpointAccess[];
  readonly #failures: OnecopyError[] = [];
  #at = 0;

  constructor(endpoints: readonly EndpointAccess[]) {
    this.#endpoints = endpoints;
  }

  get access(): EndpointAccess {
    return this.#endpoints[this.#at % this.#endpoints.length] as EndpointAccess;
  }

  /** Bytes came: whoever failed before may be asked again. */
  onProgress(): void {
    this.#failures.length = 0;
  }

  /**
   * Moves on to the next endpoint.
   * @throws the reason of `signal`; what is no failure of an endpoint; the errors of all, when nobody is left
   */
  onFailure(error: unknown, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    this.#failures.push(error);
    this.#at++;
    if (this.#failures.length >= this.#endpoints.length) throw withOthers(this.#failures);
  }
}

/** The error of the endpoint that was asked last, which names what the others said. */
export function withOthers(failures: readonly OnecopyError[]): OnecopyError {
  const last = failures.at(-1) as OnecopyError;
  const others = failures.slice(0, -1).map(({ message }) => message);
  if (others.length > 0) Object.assign(last.details, { others });
  return last;
}
