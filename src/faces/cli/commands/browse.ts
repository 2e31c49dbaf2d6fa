import { type ByteString, byteStringFromText } from '#base/bytes';
import {
  diffViews,
  type FileKind,
  findFiles,
  type ImageView,
  type ViewEntry,
  type WalkedViewEntry,
} from '#work/browse';
import { type Action, type Context, flag, textOption, wholeNumber } from '../context.ts';
import { entryDocument, formatMode, formatName, formatTime, KIND_BY_LETTER } from '../entry.ts';
import { EXIT_FINDINGS, UsageError } from '../output.ts';
import { openView } from './image-view.ts';

const ROOT = byteStringFromText('/');

async function withView<T>(
  context: Context,
  name: string,
  options: Readonly<Record<string, unknown>>,
  use: (view: ImageView) => Promise<T> | T,
): Promise<T> {
  await using opened = await openView(context, name, options);
  return await use(opened.view);
}

function pathOperand(text: string | undefined): ByteString {
  return text === undefined ? ROOT : byteStringFromText(text);
}

/** `ls`: one directory, or everything below with `-R`. */
export const ls: Action = (context, [name = '', path], options) =>
  withView(context, name, options, async (view) => {
    const at = pathOperand(path);
    const recursive = flag(options, 'recursive');
    const entries: ViewEntry[] = recursive ? [...view.walk(at)] : view.list(at);
    if (context.out.json) context.out.document({ entries: entries.map(entryDocument) });
    else if (flag(options, 'long')) await printLong(context, entries, recursive);
    else for (const entry of entries) context.out.line(shownName(entry, recursive));
    return 0;
  });

function shownName(entry: ViewEntry, whole: boolean): string {
  return formatName(whole || entry.name === '' ? entry.path : entry.name);
}

async function printLong(
  context: Context,
  entries: readonly ViewEntry[],
  whole: boolean,
): Promise<void> {
  await context.out.table(
    ['MODE', 'LINKS', 'UID', 'GID', 'SIZE', 'MODIFIED', 'NAME'],
    entries.map((entry) => [
      formatMode(entry.kind, entry.mode),
      `${entry.linkCount}`,
      `${entry.uid}`,
      `${entry.gid}`,
      entry.kind === 'chr' || entry.kind === 'blk' ? deviceText(entry.rdev) : `${entry.sizeBytes}`,
      formatTime(entry.mtimeSec, 0),
      shownName(entry, whole) +
        (entry.target === undefined ? '' : ` -> ${formatName(entry.target)}`),
    ]),
    ['LINKS', 'UID', 'GID', 'SIZE'],
  );
}

/** Major and minor of the kernel's 32-bit device number. Source: Linux kdev_t.h new_decode_dev. */
function deviceText(rdev: number): string {
  const major = (rdev & 0xfff00) >>> 8;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major},${minor}`;
}

/** `tree`: draws what is below a path. */
export const tree: Action = async (context, [name = '', path], options) => {
  const maxDepth = wholeNumber(textOption(options, 'depth'), '--depth');
  return await withView(context, name, options, (view) => {
    const entries = [...view.walk(pathOperand(path), { maxDepth })];
    if (context.out.json) {
      const documents = entries.map((entry) => ({ ...entryDocument(entry), depth: entry.depth }));
      context.out.document({ entries: documents });
      return 0;
    }
    for (const line of drawTree(entries)) context.out.line(line);
    return 0;
  });
};

/** Lines of a tree: an entry is the last of its folder when nothing of its depth follows before a shallower one. */
function drawTree(entries: readonly WalkedViewEntry[]): string[] {
  const isOpen: boolean[] = [];
  return entries
    .map((entry, at) => ({ entry, isLast: !hasSibling(entries, at) }))
    .map(({ entry, isLast }) => {
      const shown = shownName(entry, entry.depth === 0);
      const target = entry.target === undefined ? '' : ` -> ${formatName(entry.target)}`;
      if (entry.depth === 0) return shown;
      const bars = isOpen.slice(1, entry.depth).map((open) => (open ? '│   ' : '    '));
      isOpen[entry.depth] = !isLast;
      return `${bars.join('')}${isLast ? '└── ' : '├── '}${shown}${target}`;
    });
}

function hasSibling(entries: readonly WalkedViewEntry[], at: number): boolean {
  const depth = entries[at]?.depth ?? 0;
  for (let next = at + 1; next < entries.length; next += 1) {
    const other = entries[next]?.depth ?? 0;
    if (other <= depth) return other === depth;
  }
  return false;
}

/** `cat`: prints files; the content is verified before the first byte. */
export const cat: Action = async (context, [name = '', ...paths], options) => {
  if (context.out.json) {
    throw new UsageError('Cannot print files as JSON', 'stat --json shows their metadata');
  }
  await using opened = await openView(context, name, options);
  const { view } = opened;
  const { entries, failure } = findAll(view, paths);
  await opened.bring(entries);
  for (const entry of entries) {
    for (const piece of view.read(entry)) {
      context.signal.throwIfAborted();
      await context.out.bytes(Buffer.from(piece));
    }
  }
  if (failure !== undefined) throw failure.error;
  return 0;
};

/** What the paths lead to, as far as the first that leads nowhere. */
function findAll(view: ImageView, paths: readonly string[]) {
  const entries: ViewEntry[] = [];
  try {
    for (const path of paths) entries.push(view.stat(pathOperand(path), { follow: true }));
  } catch (error) {
    return { entries, failure: { error } };
  }
  return { entries, failure: undefined };
}

/** `stat`: everything known of files. */
export const stat: Action = (context, [name = '', ...paths], options) =>
  withView(context, name, options, (view) => {
    const found = paths.map((path) => {
      const entry = view.stat(pathOperand(path));
      return { entry, xattrs: [...view.xattrs(entry)] };
    });
    if (context.out.json) {
      const entries = found.map(({ entry, xattrs }) => ({
        ...entryDocument(entry),
        xattrs: Object.fromEntries(
          xattrs.map(([key, value]) => [formatName(key), Buffer.from(value).toString('base64')]),
        ),
      }));
      context.out.document({ entries });
      return 0;
    }
    for (const { entry, xattrs } of found) printStat(context, entry, xattrs);
    return 0;
  });

function printStat(
  context: Context,
  entry: ViewEntry,
  xattrs: readonly (readonly [ByteString, Uint8Array])[],
): void {
  const { line } = context.out;
  line(`Path:     ${formatName(entry.path)}`);
  line(`Kind:     ${entry.kind}`);
  line(
    `Mode:     ${entry.mode.toString(8).padStart(4, '0')} (${formatMode(entry.kind, entry.mode)})`,
  );
  line(`Owner:    ${entry.uid}:${entry.gid}`);
  line(`Size:     ${entry.sizeBytes}`);
  line(`Modified: ${formatTime(entry.mtimeSec, entry.mtimeNsec)}`);
  line(`Links:    ${entry.linkCount}`);
  if (entry.target !== undefined) line(`Target:   ${formatName(entry.target)}`);
  if (entry.rdev !== 0) line(`Device:   ${deviceText(entry.rdev)}`);
  if (entry.objectId !== undefined) line(`Object:   ${entry.objectId}`);
  for (const [key, value] of xattrs) {
    line(`Xattr:    ${formatName(key)}=0x${Buffer.from(value).toString('hex')}`);
  }
}

/** `find`: files by name, type and size. */
export const find: Action = async (context, [name = '', path], options) => {
  const pattern = (option: string) => {
    const text = textOption(options, option);
    return text === undefined ? undefined : byteStringFromText(text);
  };
  const query = {
    name: pattern('name'),
    path: pattern('path'),
    kinds: kindsOf(textOption(options, 'type')),
    minSizeBytes: wholeNumber(textOption(options, 'minSize'), '--min-size'),
    maxSizeBytes: wholeNumber(textOption(options, 'maxSize'), '--max-size'),
    maxDepth: wholeNumber(textOption(options, 'depth'), '--depth'),
  };
  return await withView(context, name, options, (view) => {
    const found = findFiles(view, pathOperand(path), query);
    if (context.out.json) context.out.document({ entries: [...found].map(entryDocument) });
    else for (const entry of found) context.out.line(formatName(entry.path));
    return 0;
  });
};

function kindsOf(letters: string | undefined): FileKind[] | undefined {
  return letters?.split('').map((letter) => {
    const kind = KIND_BY_LETTER[letter];
    if (kind !== undefined) return kind;
    throw new UsageError(
      `Cannot read --type: expected letters of f d l c b p s, found "${letter}"`,
    );
  });
}

/** `diff`: what differs between the files of two images; exit 3 with `--exit-code` when something does. */
export const diff: Action = async (context, [before = '', after = ''], options) => {
  await using first = await openView(context, before, options);
  await using second = await openView(context, after, options);
  const changes = [...diffViews(first.view, second.view)];
  if (context.out.json) {
    context.out.document({
      changes: changes.map(({ path, change, differences, before: old, after: now }) => ({
        path: formatName(path),
        change,
        differences,
        before: old === undefined ? null : entryDocument(old),
        after: now === undefined ? null : entryDocument(now),
      })),
    });
  }
  const sign = { added: '+', removed: '-', changed: '~' } as const;
  for (const { path, change, differences } of changes) {
    const why = differences.length === 0 ? '' : `  (${differences.join(', ')})`;
    context.out.line(`${sign[change]} ${formatName(path)}${why}`);
  }
  return changes.length > 0 && flag(options, 'exitCode') ? EXIT_FINDINGS : 0;
};
