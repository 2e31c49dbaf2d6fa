import { type Call, findMistake, typesOf } from '#formats/varlink';
import type { PassedFile } from '#work/sockets';
import type { Turns } from './limits.ts';
import {
  type Answer,
  CallError,
  inputOf,
  type MethodCall,
  type ServedInterface,
  type Service,
} from './service.ts';
import { standardError, standardInterface } from './standard.ts';

/** Context of a call beside its message. */
export interface CallAround extends Pick<MethodCall, 'signal' | 'send' | 'background'> {
  readonly files: readonly PassedFile[];
}

/** Calls methods by their names. */
export class Dispatcher {
  readonly #interfaces: ReadonlyMap<string, ServedInterface>;
  readonly #turns: Turns;

  constructor(service: Service, turns: Turns) {
    const all = [...service.interfaces, standardInterface(service)];
    this.#interfaces = new Map(all.map((one) => [one.described.name, one]));
    this.#turns = turns;
  }

  /** Runs a call. @throws CallError for every failure except the reason of the signal */
  async call(call: Call, around: CallAround): Promise<Answer> {
    const dot = call.method.lastIndexOf('.');
    const served = this.#interfaces.get(call.method.slice(0, dot));
    const name = call.method.slice(dot + 1);
    const method =
      served !== undefined && Object.hasOwn(served.methods, name)
        ? served.methods[name]
        : undefined;
    if (served === undefined || method === undefined) throw unknownMethod(call.method);
    const parameters = method.complete?.(call.parameters) ?? call.parameters;
    checkInput(served, name, parameters);
    try {
      using _turn = method.isLong === true ? await this.#turns.take(around.signal) : NO_TURN;
      return await method.run({ parameters, more: call.more, ...around });
    } catch (error) {
      around.signal.throwIfAborted();
      throw error instanceof CallError ? error : served.explain(error);
    }
  }
}

const NO_TURN: Disposable = { [Symbol.dispose]: () => {} };

/** composefs-rs 0.9.4 does not name the unknown method; errors for our own interfaces name it. */
function unknownMethod(method: string): CallError {
  const isOurs = method.startsWith('org.onecopy.');
  return standardError('MethodNotFound', { method: isOurs ? method : 'unknown' });
}

function checkInput(served: ServedInterface, name: string, parameters: Call['parameters']): void {
  const input = inputOf(served, name);
  if (input === undefined) return;
  const mistake = findMistake(parameters, input, typesOf(served.described));
  if (mistake !== undefined) throw standardError('InvalidParameter', { parameter: mistake });
}
