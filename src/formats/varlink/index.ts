/**
 * Varlink: the messages of services and clients on a host, and the descriptions of their interfaces.
 *
 *     bytes ─ MessageSplitter ─▶ message ─ parseCall, parseReply ─▶ values;   text ─ parseInterface ─▶ types ─ findMistake ─▶ verdict
 */

export { findMistake, typesOf } from './check.ts';
export {
  printInterface,
  type VarlinkField,
  type VarlinkInterface,
  type VarlinkMember,
  type VarlinkStruct,
  type VarlinkType,
} from './interface.ts';
export { FIELD_NAME, MESSAGE_BYTES_MAX, MESSAGE_END } from './layout.ts';
export {
  type Call,
  encodeCall,
  encodeError,
  encodeReply,
  MessageSplitter,
  type Parameters,
  parseCall,
  parseReply,
  type Reply,
} from './message.ts';
export { parseInterface } from './parse-interface.ts';
