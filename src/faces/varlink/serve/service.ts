import type { VarlinkInterface, VarlinkStruct } from '#formats/varlink';
import type { PassedFile } from '#work/sockets';

/** A reply: its parameters and descriptors. */
export interface Answer {
  /** Undefined for a method without output. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  /** Descriptors to pass; they are closed after sending. */
  readonly files?: readonly PassedFile[];
}

/** A call, as passed to a method. */
export interface MethodCall<Input = Readonly<Record<string, unknown>>> {
  /** Already checked against the types of the description. */
  readonly parameters: Input;
  /** Descriptors that came with the call. They are closed when the call ends. */
  readonly files: readonly PassedFile[];
  /** True if the client accepts several replies. */
  readonly more: boolean;
  /** Aborted when the client disconnects, and when the service ends. */
  readonly signal: AbortSignal;
  /** Sends a reply that other replies follow. Does nothing unless `more`. Waits for a slow client. */
  readonly send: (answer: Answer) => Promise<void>;
  /**
   * Starts work that goes on after the call has been answered, and after its client has disconnected. The signal is aborted when the service ends.
   * The service waits for the work before it ends.
   */
  readonly background: (work: (signal: AbortSignal) => Promise<void>) => void;
}

/** A method of an interface. */
export interface Method {
  /** True for work that uses the processor or a disk for long: few such calls run at a time. */
  readonly isLong?: boolean;
  /** Adds members of the input that clients may leave out although the description does not say so. */
  readonly complete?: (parameters: MethodCall['parameters']) => MethodCall['parameters'];
  readonly run: (call: MethodCall) => Promise<Answer>;
}

/** An interface with its methods. */
export interface ServedInterface {
  readonly described: VarlinkInterface;
  readonly methods: Readonly<Record<string, Method>>;
  /** Converts an error thrown by a method to an error of this interface. */
  readonly explain: (error: unknown) => CallError;
}

/** The description of a service, and its interfaces in the order of its listing. */
export interface Service {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly url: string;
  readonly interfaces: readonly ServedInterface[];
}

/** An error of an interface, as sent to a client. */
export class CallError extends Error {
  /** Qualified by the name of the interface. */
  readonly error: string;
  readonly parameters: Readonly<Record<string, unknown>>;

  constructor(error: string, parameters: Readonly<Record<string, unknown>>) {
    super(error);
    this.error = error;
    this.parameters = parameters;
  }
}

/** The described input of a method; undefined for an unknown method. */
export function inputOf({ described }: ServedInterface, method: string): VarlinkStruct | undefined {
  const found = described.members.find((one) => one.kind === 'method' && one.name === method);
  return found?.kind === 'method' ? found.input : undefined;
}
