import { HostError } from '#base/errors';
import type { ConfigEnvironment, Credentials } from '#formats/containers-config';
import { type HelperOutcome, runHelper } from '#host';

/** A helper that takes longer is killed: it may wait for a keychain that nobody unlocks. */
const HELPER_TIMEOUT_MS = 30_000;
/** Largest answer of a helper, in bytes. */
const HELPER_OUTPUT_MAX_BYTES = 64 * 1024;
/** What helpers print when they have nothing. Source: docker-credential-helpers, credentials/error.go. */
const NOTHING_FOUND = 'credentials not found in native keychain';
/** User name that marks an identity token. Source: docker/cli, config/credentials/native_store.go. */
const TOKEN_USER = '<token>';

/** What a helper is asked, and by whom. */
export interface HelperQuestion {
  /** Without `docker-credential-`. */
  readonly helper: string;
  readonly server: string;
  readonly env: ConfigEnvironment;
  readonly signal: AbortSignal | undefined;
}

/** Credentials of a server; `missing` when there is no such program, undefined when it has none. @throws HostError CREDENTIAL_HELPER_FAILED */
export async function askHelper(
  question: HelperQuestion,
): Promise<Credentials | 'missing' | undefined> {
  const outcome = await run(question, 'get', question.server);
  if (outcome.kind === 'missing') return 'missing';
  const text = textOf(question, 'get', outcome, NOTHING_FOUND);
  if (text === undefined) return undefined;
  const answer = parseAnswer(question, text);
  if (answer.user === '' && answer.secret === '') return undefined;
  return answer.user === TOKEN_USER
    ? { kind: 'identity-token', token: answer.secret }
    : { kind: 'password', user: answer.user, password: answer.secret };
}

/** Stores a name and password; false when there is no such program. @throws HostError CREDENTIAL_HELPER_FAILED */
export async function storeByHelper(
  question: HelperQuestion,
  pair: { readonly user: string; readonly password: string },
): Promise<boolean> {
  const document = { ServerURL: question.server, Username: pair.user, Secret: pair.password };
  const outcome = await run(question, 'store', JSON.stringify(document));
  if (outcome.kind === 'missing') return false;
  textOf(question, 'store', outcome);
  return true;
}

/** Removes what is stored; false when there was nothing, or there is no such program. @throws HostError CREDENTIAL_HELPER_FAILED */
export async function eraseByHelper(question: HelperQuestion): Promise<boolean> {
  const outcome = await run(question, 'erase', question.server);
  if (outcome.kind === 'missing') return false;
  return textOf(question, 'erase', outcome, NOTHING_FOUND) !== undefined;
}

function run(question: HelperQuestion, verb: string, input: string): Promise<HelperOutcome> {
  return runHelper({
    program: `docker-credential-${question.helper}`,
    args: [verb],
    input: `${input}\n`,
    env: question.env.variables,
    timeoutMs: HELPER_TIMEOUT_MS,
    outputBytesMax: HELPER_OUTPUT_MAX_BYTES,
    ...(question.signal === undefined ? {} : { signal: question.signal }),
  });
}

/** What it printed; undefined when it failed and printed `nothing`. */
function textOf(
  question: HelperQuestion,
  verb: string,
  outcome: HelperOutcome,
  nothing?: string,
): string | undefined {
  if (outcome.kind !== 'exited') throw failed(question, verb, FOUND[outcome.kind]);
  const text = outcome.stdout.toString('utf8');
  if (outcome.status === 0) return text;
  if (nothing !== undefined && text.trim() === nothing) return undefined;
  const said = text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 200);
  throw failed(question, verb, `exit status ${outcome.status}${said === '' ? '' : ` ("${said}")`}`);
}

const FOUND = {
  missing: 'no such program on PATH',
  'not-started': 'a program that cannot be started',
  killed: 'a signal',
  'timed-out': `no answer within ${HELPER_TIMEOUT_MS / 1000} s`,
  'output-too-large': `more than ${HELPER_OUTPUT_MAX_BYTES} bytes`,
} as const;

function parseAnswer(
  question: HelperQuestion,
  text: string,
): { readonly user: string; readonly secret: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw failed(question, 'get', 'an answer that is not JSON'); // Its text may hold a secret.
  }
  // The case of keys does not matter to podman and Docker; a missing key is an empty text.
  const fields = new Map(
    Object.entries(value ?? {}).map(([key, field]) => [key.toLowerCase(), field]),
  );
  const [user, secret] = ['username', 'secret'].map((key) => fields.get(key) ?? '');
  if (typeof user === 'string' && typeof secret === 'string') return { user, secret };
  throw failed(question, 'get', 'an answer whose Username or Secret is no text');
}

/** The error of every helper. */
export function failed(question: HelperQuestion, verb: string, found: string): HostError {
  const { helper, server } = question;
  return new HostError(
    'CREDENTIAL_HELPER_FAILED',
    `Cannot ask docker-credential-${helper} to ${verb} "${server}": expected success, found ${found}`,
    { helper, verb, found },
    { hint: `Run docker-credential-${helper} by hand, or log in with --authfile` },
  );
}
