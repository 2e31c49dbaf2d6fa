import * as v from 'valibot';
import { UsageError } from '#base/errors';
import type { ProgressListener } from '#base/flow';
import type { RepositoryChoice } from '#work/repository';

/** What every verb may need, whichever face runs it. */
export interface VerbContext {
  /** Which repository it is about; opened when the verb needs it. */
  readonly repository: RepositoryChoice;
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener;
  /** Threads at most; as many as there are cores when undefined. */
  readonly jobs: number | undefined;
  /** False refuses to create a missing repository. */
  readonly mayInit: boolean;
  /** Refuses a repository that does not enforce fs-verity. */
  readonly requireVerity: boolean;
  /** Takes what changes the worth of the result, to be said whatever else is. */
  readonly warn: (text: string) => void;
  /** Takes what only somebody who looks closely wants to know. */
  readonly detail: (text: string) => void;
  /** Takes contents of files, which are no report: exact bytes, in order. */
  readonly write: (piece: Uint8Array) => Promise<void>;
}

/** A request that is tried by the tests, and shown on manual pages. */
export interface Example<Request> {
  readonly request: Request;
  /** What it does, as an imperative sentence without a full stop. */
  readonly says: string;
}

/**
 * A verb as a value: what it takes, what it answers, and how it is done. It prints nothing and knows no face; it returns its report, or
 * throws a typed error.
 */
export interface Verb<
  Request extends v.GenericSchema = v.GenericSchema,
  Report extends v.GenericSchema = v.GenericSchema,
> {
  readonly request: Request;
  /** A value that JSON can say; keys are only ever added. */
  readonly report: Report;
  readonly examples: readonly Example<v.InferInput<Request>>[];
  /** Checks a request that came from outside. @throws UsageError that names the key */
  parse(value: unknown): v.InferOutput<Request>;
  /** The dry run: what `run` would do. Undefined for a verb that changes nothing. */
  plan?(context: VerbContext, request: v.InferOutput<Request>): Promise<v.InferOutput<Report>>;
  run(context: VerbContext, request: v.InferOutput<Request>): Promise<v.InferOutput<Report>>;
  /** True when the report is done but has findings, which a command line says by its exit status. */
  hasFindings?(report: v.InferOutput<Report>, request: v.InferOutput<Request>): boolean;
  /** True when somebody wants to know the report itself, although the verb can change something. */
  isQuestion?(request: v.InferOutput<Request>): boolean;
  /** True when the answer to this request is contents, given to `write`, and the report only counts them. */
  givesContents?(request: v.InferOutput<Request>): boolean;
}

/** Gives a verb the types of its schemas, and the check of its requests. */
export function defineVerb<Request extends v.GenericSchema, Report extends v.GenericSchema>(
  verb: Omit<Verb<Request, Report>, 'parse'>,
): Verb<Request, Report> {
  return { ...verb, parse: (value) => parseRequest(verb.request, value) };
}

function parseRequest<Request extends v.GenericSchema>(
  schema: Request,
  value: unknown,
): v.InferOutput<Request> {
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const key = issue.path?.map((item) => String(item.key)).join('.') ?? 'request';
  throw new UsageError(
    `Cannot read ${optionName(key)}: expected ${issue.expected ?? 'another value'}, found ${issue.received}`,
  );
}

/** The key of a request as people spell it: `minSizeBytes` is `--min-size`. Units are part of the key alone. */
export function optionName(key: string): string {
  const words = key.replace(/(?:Bytes|Sec|Ms)$/, '');
  return `--${words.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Refuses keys that say nothing about what the request is for: ignored, a demand such as `gpgKey` would be taken as fulfilled.
 * @param keys those that do not apply
 * @param subject what they do not apply to, for example `pull "oci:app"`
 * @throws UsageError
 */
export function refuseKeys(
  request: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  subject: string,
): void {
  const given = keys.filter((key) => {
    const value = request[key];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (given.length === 0) return;
  const names = given.map((key) =>
    request[key] === false ? optionName(key).replace('--', '--no-') : optionName(key),
  );
  throw new UsageError(
    `Cannot ${subject}: ${names.join(', ')} ${given.length === 1 ? 'does' : 'do'} not apply to this kind`,
  );
}
