import { type ByteString, displayText } from '#base/bytes';
import { type OstreeChecksum, parseOstreeChecksum } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Steps } from '#base/flow';
import { type Dirtree, parseCommit, parseDirtree } from '#formats/ostree';
import type { OstreeRef, OstreeRepo } from '#stores/ostree';
import type { KeepGraph, Step } from './graph.ts';
import { type Found, isLike, type Search, type Wanted } from './wanted.ts';

/** Deepest directory; that of a path of 4096 bytes. */
const DEPTH_MAX = 2048;
const CHECKSUM_DIGITS = 64;
/** `<62 digits>.<kind>` in a directory of two digits. */
const OBJECT_NAME = /^([0-9a-f]{62})\.([a-z-]+)$/;

const NO_TREE: Pick<Dirtree, 'files' | 'directories'> = { files: [], directories: [] };

/** Commits that deployments of the system need. */
export interface DeployedCommit {
  readonly commit: OstreeChecksum;
  readonly step: Step;
}

/** Finds what was asked about in an OSTree repository, and everything that refers to it. */
export function* searchOstree(
  repo: OstreeRepo,
  graph: KeepGraph,
  search: Search,
  deployed: readonly DeployedCommit[],
): Steps<readonly Found[]> {
  const refs = repo.refs.list(({ path }) =>
    search.warn(`"${repo.root.displayPath(path)}" is no ref`),
  );
  const { wanted } = search;
  if (wanted.kind === 'place' && isRecord(wanted.path)) {
    graph.addRoot(wanted.path, { kind: 'record', name: wanted.path });
    return [{ key: wanted.path, isStored: true }];
  }
  const targets = findTargets(repo, refs, wanted);
  if (targets.size === 0) return [];
  const survey = new Survey(repo, graph, new Set(targets.keys()), search.warn);
  for (const [target, kind] of targets) {
    graph.describe(target, { kind: kind === 'commit' ? 'commit' : 'object', name: target });
  }
  for (const ref of refs) {
    const name = nameOfRef(ref);
    graph.addRoot(`ref ${name}`, { kind: 'ref', name });
    yield* survey.follow(ref.checksum, `ref ${name}`);
  }
  for (const { commit, step } of deployed) {
    if (!repo.has('commit', commit)) continue;
    graph.addRoot(`deployment ${step.name}`, step);
    yield* survey.follow(commit, `deployment ${step.name}`);
  }
  return [...targets]
    .map(([key, kind]) => ({ key, isStored: kind !== undefined }))
    .filter(({ key, isStored }) => isStored || graph.chainsOf(key).chains.length > 0);
}

/** As `ostree refs` prints it. */
function nameOfRef({ space, name }: OstreeRef): string {
  if (space.kind === 'heads') return name;
  return space.kind === 'remote' ? `${space.remote}:${name}` : `${space.collection}:${name}`;
}

function isRecord(path: string): boolean {
  return !/^(?:objects\/[0-9a-f]{2}\/|refs\/)/.test(path);
}

/** Checksums of what was asked about, with the extension of the object if it is known. */
function findTargets(
  repo: OstreeRepo,
  refs: readonly OstreeRef[],
  wanted: Wanted,
): Map<OstreeChecksum, string | undefined> {
  const found = new Map<OstreeChecksum, string | undefined>();
  if (wanted.kind === 'name') {
    for (const ref of refs) if (nameOfRef(ref) === wanted.name) found.set(ref.checksum, 'commit');
  } else if (wanted.kind === 'place') {
    const [, fanOut = '', name = ''] = wanted.path.split('/');
    const [, digits, kind] = OBJECT_NAME.exec(name) ?? [];
    if (digits !== undefined) found.set(parseOstreeChecksum(fanOut + digits), plainKind(kind));
    for (const ref of refs) if (wanted.path === pathOfRef(ref)) found.set(ref.checksum, 'commit');
  } else if (wanted.kind === 'digits' && wanted.digits.length <= CHECKSUM_DIGITS) {
    const fanOut = wanted.digits.slice(0, 2);
    using dir = repo.root.tryOpenDir(`objects/${fanOut}`);
    for (const { name } of dir?.readEntries() ?? []) {
      const [, digits, kind] = OBJECT_NAME.exec(name) ?? [];
      const checksum = fanOut + (digits ?? '');
      const isWanted =
        digits !== undefined && isLike(checksum, { ...wanted, algorithm: undefined });
      if (isWanted && wanted.algorithm !== 'sha512')
        found.set(parseOstreeChecksum(checksum), plainKind(kind));
    }
    // A complete checksum need not be stored: what refers to a missing object is worth knowing.
    const isWhole = wanted.digits.length === CHECKSUM_DIGITS && wanted.algorithm !== 'sha512';
    if (isWhole && found.size === 0) found.set(parseOstreeChecksum(wanted.digits), undefined);
  }
  return found;
}

/** The kind of the object that a file belongs to: `commitmeta` is kept with its commit. */
function plainKind(extension: string | undefined): string | undefined {
  return extension === 'commitmeta' ? 'commit' : extension;
}

function pathOfRef({ space, name }: OstreeRef): string {
  if (space.kind === 'heads') return `refs/heads/${name}`;
  return space.kind === 'remote'
    ? `refs/remotes/${space.remote}/${name}`
    : `refs/mirrors/${space.collection}/${name}`;
}

/** Follows commits to what was asked about. Keys of its graph are checksums. */
class Survey {
  readonly #repo: OstreeRepo;
  readonly #graph: KeepGraph;
  readonly #targets: ReadonlySet<OstreeChecksum>;
  readonly #warn: (problem: string) => void;
  /** Targets below a dirtree, with the first path of each. */
  readonly #below = new Map<OstreeChecksum, ReadonlyMap<OstreeChecksum, string>>();
  readonly #commits = new Set<OstreeChecksum>();

  constructor(
    repo: OstreeRepo,
    graph: KeepGraph,
    targets: ReadonlySet<OstreeChecksum>,
    warn: (problem: string) => void,
  ) {
    this.#repo = repo;
    this.#graph = graph;
    this.#targets = targets;
    this.#warn = warn;
  }

  /** Links a root with a commit and those of its ancestors that are stored. */
  *follow(tip: OstreeChecksum, root: string): Steps<void> {
    const seen = new Set<OstreeChecksum>();
    this.#graph.describe(tip, { kind: 'commit', name: tip });
    this.#graph.link(root, tip);
    for (let at: OstreeChecksum | undefined = tip; at !== undefined && !seen.has(at); ) {
      seen.add(at);
      yield;
      const isNew: boolean = !this.#commits.has(at);
      this.#commits.add(at);
      if (at !== tip) {
        this.#graph.describe(at, { kind: 'commit', name: at });
        this.#graph.link(tip, at);
      }
      at = yield* this.#commit(at, isNew);
    }
  }

  /** Links a commit with what it has; returns its parent. */
  *#commit(commit: OstreeChecksum, isNew: boolean): Steps<OstreeChecksum | undefined> {
    try {
      const bytes = this.#repo.readMetadata('commit', commit);
      if (bytes === undefined) return undefined;
      const { rootTree, rootMeta, parent } = parseCommit(bytes);
      if (!isNew) return parent;
      if (this.#targets.has(rootTree)) this.#link(commit, rootTree, '/');
      if (this.#targets.has(rootMeta)) this.#link(commit, rootMeta, '/');
      for (const [target, path] of yield* this.#search(rootTree, 0))
        this.#link(commit, target, path);
      return parent;
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      this.#warn(`Commit ${commit} cannot be read whole: ${error.message}`);
      return undefined;
    }
  }

  #link(commit: OstreeChecksum, target: OstreeChecksum, path: string): void {
    const key = `${commit}${path}`;
    this.#graph.describe(key, { kind: 'file', name: displayText(path as ByteString) });
    this.#graph.link(commit, key);
    this.#graph.link(key, target);
  }

  *#search(tree: OstreeChecksum, depth: number): Steps<ReadonlyMap<OstreeChecksum, string>> {
    const known = this.#below.get(tree);
    if (known !== undefined) return known;
    yield;
    const found = new Map<OstreeChecksum, string>();
    const note = (checksum: OstreeChecksum, path: string) => {
      if (!found.has(checksum)) found.set(checksum, path);
    };
    const bytes = this.#repo.readMetadata('dirtree', tree);
    // A commit that was pulled in part lacks some.
    const { files, directories } = bytes === undefined ? NO_TREE : parseDirtree(bytes);
    for (const { name, checksum } of files)
      if (this.#targets.has(checksum)) note(checksum, `/${name}`);
    for (const { name, tree: below, meta } of directories) {
      for (const own of [below, meta]) if (this.#targets.has(own)) note(own, `/${name}`);
      if (depth === DEPTH_MAX)
        this.#warn(`Directory /${displayText(name)} lies too deep to be searched`);
      else
        for (const [target, path] of yield* this.#search(below, depth + 1))
          note(target, `/${name}${path}`);
    }
    this.#below.set(tree, found);
    return found;
  }
}
