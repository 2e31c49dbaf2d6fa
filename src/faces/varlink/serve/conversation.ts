import { isOnecopyError } from '#base/errors';
import { type Call, encodeError, encodeReply, parseCall } from '#formats/varlink';
import type { Connection } from '#work/sockets';
import type { Dispatcher } from './dispatch.ts';
import { type Budgets, Inbox, InboxError, type Message } from './inbox.ts';
import { type Answer, CallError, type MethodCall } from './service.ts';
import { standardError } from './standard.ts';

/**
 * Answers the calls of a connection one after the other, in order, until the client disconnects or the signal fires. A bad call is answered with
 * an error, and the next call is processed; only a message without a detectable end closes the connection. When the client disconnects, its
 * running call is cancelled.
 */
export async function converse(
  connection: Connection,
  { dispatcher, budgets, signal, background }: Conversation,
): Promise<void> {
  using inbox = new Inbox(connection, budgets);
  const gone = new AbortController();
  const until = AbortSignal.any([signal, gone.signal]);
  const watching = connection.untilGone(until).then(
    () => gone.abort(new Error('the client has gone')),
    () => {},
  );
  try {
    for (;;) {
      const message = await nextOf(inbox, connection, until);
      if (message === undefined) return;
      await answer(message, { connection, dispatcher, background, signal: until });
    }
  } catch (error) {
    // The client has disconnected: no error can be sent.
    if (!isCut(error) && !until.aborted) throw error;
  } finally {
    gone.abort(new Error('the conversation is over'));
    await watching;
  }
}

/** State shared by all connections of a service. */
export interface Conversation {
  readonly dispatcher: Dispatcher;
  readonly budgets: Budgets;
  readonly signal: AbortSignal;
  readonly background: MethodCall['background'];
}

function isCut(error: unknown): boolean {
  if (!isOnecopyError(error)) return false;
  return error.details['errno'] === 'EPIPE' || error.details['errno'] === 'ECONNRESET';
}

async function nextOf(
  inbox: Inbox,
  connection: Connection,
  signal: AbortSignal,
): Promise<Message | undefined> {
  try {
    return await inbox.next(signal);
  } catch (error) {
    if (!(error instanceof InboxError)) throw error;
    await refuse(
      connection,
      standardError('InvalidParameter', { parameter: error.message }),
      signal,
    );
    return undefined;
  }
}

interface Answering extends Pick<Conversation, 'dispatcher' | 'signal' | 'background'> {
  readonly connection: Connection;
}

async function answer(
  { bytes, files }: Message,
  { connection, dispatcher, background, signal }: Answering,
): Promise<void> {
  let call: Call | undefined;
  const send = async (given: Answer, continues: boolean) => {
    try {
      if (call?.oneway === true) return;
      await connection.send(encodeReply(given.parameters, continues), given.files, signal);
    } finally {
      for (const file of given.files ?? []) file[Symbol.dispose]();
    }
  };
  try {
    call = parse(bytes);
    const { more, oneway } = call;
    const sendMore = async (given: Answer) => {
      if (more && !oneway) await send(given, true);
      else for (const file of given.files ?? []) file[Symbol.dispose]();
    };
    const around = { files, signal, send: sendMore, background };
    await send(await dispatcher.call(call, around), false);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (call?.oneway !== true) await refuse(connection, error, signal);
  } finally {
    for (const file of files) file[Symbol.dispose]();
  }
}

/** @throws CallError for bytes that are not a call */
function parse(bytes: Uint8Array): Call {
  try {
    return parseCall(bytes);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    throw standardError('InvalidParameter', { parameter: 'message' });
  }
}

async function refuse(
  connection: Connection,
  { error, parameters }: CallError,
  signal: AbortSignal,
): Promise<void> {
  await connection.send(encodeError(error, parameters), [], signal);
}
