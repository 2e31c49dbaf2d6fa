/**
 * OSTree commits of OCI images that are stored here, made straight in an OSTree repository, content by reflink:
 *
 *     layers ─▶ tree ─▶ arranged (/etc ─▶ /usr/etc, emptied directories) ─▶ labelled ─▶ objects, commit, refs
 *
 * The commit is that of bootc's route from composefs to OSTree, but for its metadata, which is the same every time here. The classic route
 * makes the commits that ostree-ext makes of the layers instead, one for each and one of all.
 */
export type { ArrangeOptions } from './arrange.ts';
export type { SynthesizedDetails } from './details.ts';
export { imageRefName } from './ref-name.ts';
export { COMMIT_ROUTES, type CommitRoute, ROUTE_CHOICES, type RouteChoice } from './route.ts';
export type { ExternalCounts } from './store-files.ts';
export { type SynthesisOptions, type SynthesisReport, synthesizeCommit } from './synthesize.ts';
