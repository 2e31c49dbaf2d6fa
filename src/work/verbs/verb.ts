import * as v from 'valibot';
import { UsageError } from '#base/errors';
import type { ProgressListener } from '#base/flow';
import type { RepositoryChoice } from '#work/repository';

/** The context of a verb, the same for every face. */
export interface VerbContext {
  /** Selection of the repository, which is opened when the verb needs it. */
  readonly repository: RepositoryChoice;
  /** Directory of the system whose three stores are meant, for verbs of unified storage (default: `/sysroot`). */
  readonly sysroot?: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener;
  /** Largest number of threads (default: number of processors). */
  readonly jobs: number | undefined;
  /** False refuses to create a missing repository. */
  readonly mayInit: boolean;
  /** Refuses a repository that does not enforce fs-verity. */
  readonly requireVerity: boolean;
  /** Prints a warning about the result, also in quiet mode. */
  readonly warn: (text: string) => void;
  /** Prints a detail, in verbose mode only. */
  readonly detail: (text: string) => void;
  /** Writes contents of files, which are not part of the report: exact bytes, in order. */
  readonly write: (piece: Uint8Array) => Promise<void>;
}

/** A request that the tests run and the manual pages show. */
export interface Example<Request> {
  readonly request: Request;
  /** What it does, as an imperative sentence without a full stop. */
  readonly says: string;
}

/**
 * A verb as a value: request, report and implementation. It prints nothing and does not depend on a face; it returns its report, or throws
 * a typed error.
 */
export interface Verb<
  Request extends v.GenericSchema = v.GenericSchema,
  Report extends v.GenericSchema = v.GenericSchema,
> {
  readonly request: Request;
  /** A JSON value; keys are only ever added. */
  readonly report: Report;
  readonly examples: readonly Example<v.InferInput<Request>>[];
  /** Validates a request from outside. @throws UsageError that names the key */
  parse(value: unknown): v.InferOutput<Request>;
  /** The dry run: what `run` would do. Undefined for a verb that changes nothing. */
  plan?(context: VerbContext, request: v.InferOutput<Request>): Promise<v.InferOutput<Report>>;
  run(context: VerbContext, request: v.InferOutput<Request>): Promise<v.InferOutput<Report>>;
  /** True when the report has findings: the command line then exits with status 3. */
  hasFindings?(report: v.InferOutput<Report>, request: v.InferOutput<Request>): boolean;
  /** True when the request asks for data, although the verb can change something. */
  isQuestion?(request: v.InferOutput<Request>): boolean;
  /** True when the request writes contents to `write`, and the report only counts them. */
  givesContents?(request: v.InferOutput<Request>): boolean;
}

/** Adds the types of the schemas and the validation of requests to a verb. */
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

/** Keys that are spelled otherwise than the rule says. */
const SPELLED: Readonly<Record<string, string>> = {
  maxBytes: '--max-bytes',
  registriesD: '--registries.d',
};

/** Keys whose option takes `true` or `false` as its value; others have the form `--no-x`. */
const TAKES_FALSE: ReadonlySet<string> = new Set(['tlsVerify']);

/** The option for a key of a request: `--min-size` for `minSizeBytes`. Options have no units. */
export function optionName(key: string): string {
  const spelled = SPELLED[key];
  if (spelled !== undefined) return spelled;
  const words = key.replace(/(?:Bytes|Sec|Ms)$/, '');
  return `--${words.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Refuses keys that do not apply to the request. If a demand such as `gpgKey` were ignored, the user would believe it fulfilled.
 * @param keys those that do not apply
 * @param subject the operation, for example `pull "oci:app"`
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
    request[key] === false && !TAKES_FALSE.has(key)
      ? optionName(key).replace('--', '--no-')
      : optionName(key),
  );
  throw new UsageError(
    `Cannot ${subject}: ${names.join(', ')} ${given.length === 1 ? 'does' : 'do'} not apply here`,
  );
}
