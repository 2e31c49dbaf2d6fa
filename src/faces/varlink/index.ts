/**
 * A varlink service: accepts calls of many clients over sockets, and dispatches them to interfaces, which are plain values.
 *
 *     socket ─ conversation (one for each client, one call at a time) ─ dispatch ─▶ ServedInterface ─ Method ─▶ answers, or one error
 *
 * Both `onecopy` and `cfsctl` start it, so it is the only face that other faces import.
 */

export { Frames } from './serve/frames.ts';
export { Turns } from './serve/limits.ts';
export { OpenRepositories, type RepositoryRules, type Use } from './serve/repositories.ts';
export { type ServeOptions, serve } from './serve/serve.ts';
export {
  type Answer,
  CallError,
  type Method,
  type MethodCall,
  type ServedInterface,
  type Service,
} from './serve/service.ts';
export { verbInterfaces } from './verbs/interfaces.ts';
