import { UsageError } from '#base/errors';
import type { ImagesReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** A row as text. Its keys are the fields of `--format` and the columns of the table. */
type Fields = Readonly<Record<(typeof FIELDS)[number], string>>;

const FIELDS = [
  'Name',
  'Kind',
  'ID',
  'Image',
  'Platform',
  'Created',
  'Layers',
  'Download',
  'Size',
] as const;

/** The text of `images`. */
export const text: Text<ImagesReport> = async (report, speaker, request) => {
  const format = request['format'];
  if (format === 'json') {
    speaker.document({ ...report });
    return;
  }
  const rows = rowsOf(report, speaker.noTrunc);
  if (typeof format === 'string') {
    for (const row of rows) speaker.line(fill(format, row));
  } else if (speaker.quiet) {
    const ids = rows.map(({ ID, Image }) => (ID === '-' ? Image : ID));
    for (const id of new Set(ids)) speaker.line(id);
  } else if (rows.length === 0) {
    speaker.note('No images found; pull one with: onecopy pull oci:DIR[:TAG] NAME');
  } else {
    await speaker.table(
      FIELDS.map((field) => field.toUpperCase()),
      rows.map((row) => FIELDS.map((field) => row[field])),
      ['LAYERS', 'DOWNLOAD', 'SIZE'],
    );
  }
  for (const { name, problem } of report.images) {
    if (problem !== null) speaker.note(`${name}: ${problem.message}`);
  }
};

/** The format with each `{{.Field}}` replaced. @throws UsageError for an unknown field */
function fill(format: string, row: Fields): string {
  return format.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (_, word: string) => {
    const field = FIELDS.find((one) => one === word);
    if (field !== undefined) return row[field];
    throw new UsageError(`Cannot read --format: expected ${FIELDS.join(', ')}, found "${word}"`);
  });
}

function rowsOf({ images, partial }: ImagesReport, noTrunc: boolean): Fields[] {
  const short = (id: string | null) => formatDigest(id ?? '-', noTrunc);
  return [
    ...images.map((row) => {
      const hasLayers = row.kind !== null && ['image', 'index', 'artifact'].includes(row.kind);
      return {
        Name: row.kind === 'erofs' ? `refs/${row.name}` : row.name,
        Kind: row.kind ?? 'unreadable',
        ID: short(row.manifestDigest ?? row.commit),
        Image: short(row.imageId),
        Platform: platformText(row),
        Created: dateText(row.created),
        Layers: hasLayers ? `${row.layers.length}` : '-',
        Download: hasLayers ? formatSize(row.downloadSizeBytes) : '-',
        Size: row.sizeBytes === null ? '-' : formatSize(row.sizeBytes),
      };
    }),
    ...partial.map((row) => ({
      Name: row.name,
      Kind: 'partial',
      ID: short(row.commit),
      Image: short(row.imageId),
      Platform: pathsText(row.subpaths),
      Created: '-',
      Layers: '-',
      Download: '-',
      Size: '-',
    })),
  ];
}

/** Date and minute, UTC; a dash if the image states no valid date. */
function dateText(created: string | null): string {
  const millis = Date.parse(created ?? '');
  return Number.isNaN(millis) ? '-' : new Date(millis).toISOString().slice(0, 16).replace('T', ' ');
}

function platformText({ platform, platforms }: ImagesReport['images'][number]): string {
  if (platforms.length > 0) return platforms.join(' ');
  if (platform === null) return '-';
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

/** The stored paths of a partial commit. */
function pathsText(subpaths: readonly string[] | null): string {
  if (subpaths === null) return 'damaged';
  return subpaths.length === 0 ? 'commit object only' : `only ${subpaths.join(' ')}`;
}
