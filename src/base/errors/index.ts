/**
 * Errors: one registry of permanent codes, nine classes that say what the caller can do, and their two renderings.
 */
export {
  BusyError,
  ConflictError,
  type ErrorExtras,
  FormatError,
  HostError,
  hasCode,
  IntegrityError,
  isOnecopyError,
  NotFoundError,
  OnecopyError,
  TransportError,
  UnsupportedError,
  UsageError,
} from './classes.ts';
export {
  type CodeOf,
  type DetailsOf,
  ERROR_CODES,
  type ErrorCode,
  type ErrorKind,
  type JsonValue,
} from './codes.ts';
export { quietly } from './quietly.ts';
export { type ErrorDocument, renderErrorDocument, renderErrorText } from './render.ts';
