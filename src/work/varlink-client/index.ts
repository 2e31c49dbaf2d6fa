/**
 * A client of varlink services: calls, streams of replies, descriptors. The methods of `org.composefs.Repository` and `org.composefs.Oci` are typed.
 *
 *     connectVarlink (a socket), startVarlink (a program) ─▶ VarlinkClient ─ call, callMore ─▶ VarlinkReply (parameters, descriptors)
 */

export {
  connectVarlink,
  type PassedDescriptor,
  startVarlink,
  type VarlinkCallOptions,
  VarlinkClient,
  type VarlinkInput,
  type VarlinkMethodName,
  type VarlinkOutput,
  type VarlinkReply,
} from './client.ts';
export type { VarlinkMethods } from './methods.ts';
