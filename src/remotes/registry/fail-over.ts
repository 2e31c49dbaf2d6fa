import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { EndpointAccess } from './access.ts';

/**
 * The endpoints of a repository, in the order of the configuration: mirrors, then the registry. The endpoint that delivers a manifest is
 * used first from then on.
 */
export class FailOver {
  readonly #endpoints: readonly EndpointAccess[];
  #preferred = 0;

  /** @param endpoints at least one */
  constructor(endpoints: readonly EndpointAccess[]) {
    this.#endpoints = endpoints;
  }

  /** The preferred endpoint. */
  get preferred(): EndpointAccess {
    return this.#endpoints[this.#preferred] as EndpointAccess;
  }

  /** All endpoints in order of use: those before the preferred one did not have the manifest, so they come last. */
  get ordered(): readonly EndpointAccess[] {
    const at = this.#preferred;
    return [...this.#endpoints.slice(at), ...this.#endpoints.slice(0, at)];
  }

  prefer(access: EndpointAccess): void {
    this.#preferred = Math.max(0, this.#endpoints.indexOf(access));
  }

  /** Uses the preferred endpoint last from now on. @returns false if it is the only one */
  demote(): boolean {
    this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
    return this.#endpoints.length > 1;
  }

  /** Starts reading content that is identical at every endpoint. */
  begin(): Turn {
    return new Turn(this.ordered);
  }
}

/** The current endpoint of one read. */
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

  /** Called on progress: endpoints that failed before may be used again. */
  onProgress(): void {
    this.#failures.length = 0;
  }

  /**
   * Moves to the next endpoint.
   * @throws the reason of `signal`; an error that is not a failure of the endpoint; the errors of all endpoints, if none is left
   */
  onFailure(error: unknown, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (!isOnecopyError(error) || error.kind === 'host') throw error;
    this.#failures.push(error);
    this.#at++;
    if (this.#failures.length >= this.#endpoints.length) throw withOthers(this.#failures);
  }
}

/** The error of the last endpoint, with the errors of the others. */
export function withOthers(failures: readonly OnecopyError[]): OnecopyError {
  const last = failures.at(-1) as OnecopyError;
  const others = failures.slice(0, -1).map(({ message }) => message);
  if (others.length > 0) Object.assign(last.details, { others });
  return last;
}
