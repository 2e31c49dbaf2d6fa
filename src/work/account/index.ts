/**
 * Which bytes on the disk belong to what, across stores.
 *
 *     stores ─▶ surveys: owners of each file ─▶ walk: extents of each file ─▶ table ─ one sort, one sweep ─▶ bytes by set of owners ─▶ account
 *
 * The work runs in a thread of its own, in blocking calls.
 */
export { accountFor } from './account.ts';
export type { OwnerKind } from './owners.ts';
export { findPlaces, placeAbove, placeOf } from './places.ts';
export type { Account, FilesystemUsage, OwnerUsage, StoreUsage } from './report.ts';
export type { StorePlace } from './survey-stores.ts';
