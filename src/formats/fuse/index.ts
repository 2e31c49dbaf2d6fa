/**
 * FUSE messages for a read-only filesystem: parses requests of the kernel and writes replies.
 *
 *     /dev/fuse ── one read, one request ──▶ parseFuseRequest ──▶ a server
 *               ◀─ one write, one reply ─── FuseReplies, FuseEntries ◀┘
 */
export { PROTOCOL, REQUEST_BYTES_MIN, ROOT_NODE } from './layout.ts';
export {
  type FuseAttributes,
  FuseEntries,
  type FuseEntry,
  FuseReplies,
  type FuseSettings,
} from './reply.ts';
export { type FuseRequest, parseFuseRequest } from './request.ts';
