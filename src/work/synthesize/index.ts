/**
 * OSTree commits of stored OCI images, written directly into an OSTree repository, content by reflink:
 *
 *     layers ─▶ tree ─▶ arranged (/etc ─▶ /usr/etc, emptied directories) ─▶ labelled ─▶ objects, commit, refs
 *
 * The commit is the commit of bootc's route from composefs to OSTree, except for its metadata, which is reproducible here. The classic route
 * makes the commits that ostree-ext makes from the layers instead: one for each layer and one for the image.
 */
export type { ArrangeOptions } from './arrange.ts';
export { canonicalJson, type SynthesizedDetails } from './details.ts';
export { imageRefName } from './ref-name.ts';
export { COMMIT_ROUTES, type CommitRoute, ROUTE_CHOICES, type RouteChoice } from './route.ts';
export type { ExternalCounts } from './store-files.ts';
export { type SynthesisOptions, type SynthesisReport, synthesizeCommit } from './synthesize.ts';
