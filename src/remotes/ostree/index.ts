/**
 * OSTree repositories over HTTP: one method for each file a server has, absent files as `undefined`, checksums verified,
 * mirrors and caches behind it. What to ask for, in which order, and whom to trust is decided in `work/pull-commit`.
 *
 *     url, contenturl, mirrorlist -> mirrors -> copy -> verified? -> bytes
 *                                       ^         corrupt: once past caches, then the next mirror
 */

export type { FirstAttempt } from './mirrors.ts';
export { OstreeRemote } from './remote.ts';
export type {
  Conditional,
  FetchOptions,
  OstreeRemoteOptions,
  RemoteFile,
  RemoteTraffic,
  Validators,
} from './remote-types.ts';
export type { ShortFileReceiver, ShortFiles } from './short-files.ts';
export { fileUrl, parseRemoteUrl, type RemoteLocation } from './urls.ts';
