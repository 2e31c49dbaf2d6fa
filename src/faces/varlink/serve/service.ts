import type { VarlinkInterface, VarlinkStruct } from '#formats/varlink';
import type { PassedFile } from '#work/sockets';

/** What an answer carries beside its parameters. */
export interface Answer {
  /** Undefined for a method that gives nothing. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Descriptors to pass; they are closed after they were sent. */
  readonly files?: readonly PassedFile[];
}

/** A call as a method sees it. */
export interface MethodCall<Input = Readonly<Record<string, unknown>>> {
  /** They have the types of the description. */
  readonly parameters: Input;
  /** Descriptors that came with the call. They are closed when the call ends. */
  readonly files: readonly PassedFile[];
  /** The client takes several answers. */
  readonly more: boolean;
  /** Aborted when the client has gone, and when the service ends. */
  readonly signal: AbortSignal;
  /** Sends an answer that others follow. Does nothing unless `more`. It waits for a slow client. */
  readonly send: (answer: Answer) => Promise<void>;
}

/** A method of an interface. */
export interface Method {
  /** True for work that takes the processor or a disk for long: few such calls run at a time. */
  readonly isLong?: boolean;
  readonly run: (call: MethodCall) => Promise<Answer>;
}

/** An interface with its methods. */
export interface ServedInterface {
  readonly described: VarlinkInterface;
  readonly methods: Readonly<Record<string, Method>>;
  /** The error of this interface for something that a method threw. */
  readonly explain: (error: unknown) => CallError;
}

/** What a service says of itself, and its interfaces in the order of its listing. */
export interface Service {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly url: string;
  readonly interfaces: readonly ServedInterface[];
}

/** An error of an interface: what a client is told. */
export class CallError extends Error {
  /** With the name of the interface before it. */
  readonly error: string;
  readonly parameters: Readonly<Record<string, unknown>>;

  constructor(error: string, parameters: Readonly<Record<string, unknown>>) {
    super(error);
    this.error = error;
    this.parameters = parameters;
  }
}

/** The input of a method as it is described; undefined for an unknown method. */
export function inputOf({ described }: ServedInterface, method: string): VarlinkStruct | undefined {
  const found = described.members.find((one) => one.kind === 'method' && one.name === method);
  return found?.kind === 'method' ? found.input : undefined;
}
