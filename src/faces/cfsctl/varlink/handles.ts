import { isOnecopyError } from '#base/errors';
import { CallError, type MethodCall, type OpenRepositories, type Use } from '#faces/varlink';
import type { Repository } from '#work/repository';

/** Provides methods with the repository of a handle. */
export class Handles {
  readonly repositories: OpenRepositories;
  readonly #interface: string;

  /** @param interfaceName the interface whose errors are thrown */
  constructor(repositories: OpenRepositories, interfaceName: string) {
    this.repositories = repositories;
    this.#interface = interfaceName;
  }

  /** An error of the interface. */
  error(name: string, parameters: Readonly<Record<string, unknown>>): CallError {
    return new CallError(`${this.#interface}.${name}`, parameters);
  }

  /** Converts a value thrown by a method to an error. */
  readonly explain = (error: unknown): CallError =>
    this.error('InternalError', { message: messageOf(error) });

  /** Runs `work` with the repository of a handle. @throws CallError InvalidHandle; as `openRepository` and `work` */
  async use<T>(
    { parameters, signal }: MethodCall,
    use: Use,
    work: (repository: Repository) => Promise<T>,
  ): Promise<T> {
    const handle = parameters['handle'] as number;
    const path = this.repositories.pathOf(handle);
    if (path === undefined) throw this.error('InvalidHandle', { handle });
    return await this.repositories.use(path, use, signal, work);
  }
}

/** The message of an error, followed by the messages of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const own = isOnecopyError(error) || error.message !== '' ? error.message : error.name;
  return cause === undefined ? own : `${own}: ${messageOf(cause)}`;
}
