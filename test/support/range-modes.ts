import type { FakeAnswer } from './fake-registry.ts';

/** First and last byte of a range. */
export type Span = readonly [first: number, last: number];

/** How a server answers ranges of a blob; `count` is how often ranges of this blob were asked for, from 1. */
export type RangeMode = (blob: Buffer, spans: readonly Span[], count: number) => FakeAnswer;

/** The whole blob. */
export function wholeAnswer(blob: Buffer): FakeAnswer {
  return { status: 200, body: blob };
}

/** One range. */
export function singleAnswer(blob: Buffer, [first, last]: Span, total?: number): FakeAnswer {
  const headers = { 'content-range': `bytes ${first}-${last}/${total ?? blob.length}` };
  return { status: 206, headers, body: blob.subarray(first, last + 1) };
}

/** Several ranges as parts; the last `cutBytes` do not come. */
export function partsAnswer(blob: Buffer, spans: readonly Span[], cutBytes = 0): FakeAnswer {
  const parts = spans.flatMap(([first, last]) => [
    Buffer.from(`\r\n--part\r\nContent-Range: bytes ${first}-${last}/${blob.length}\r\n\r\n`),
    blob.subarray(first, last + 1),
  ]);
  const body = Buffer.concat([...parts, Buffer.from('\r\n--part--\r\n')]);
  const headers = { 'content-type': 'multipart/byteranges; boundary=part' };
  if (cutBytes === 0) return { status: 206, headers, body };
  return (response) => {
    response.writeHead(206, { ...headers, 'content-length': body.length });
    response.write(body.subarray(0, body.length - cutBytes), () => response.destroy());
  };
}

/** One range as it should be, several otherwise. */
function several(answer: RangeMode): RangeMode {
  return (blob, spans, count) =>
    spans.length === 1 ? singleAnswer(blob, spans[0] ?? [0, 0]) : answer(blob, spans, count);
}

/** Servers that were met, and worse ones. */
export const RANGE_MODES: Readonly<Record<string, RangeMode>> = {
  'several ranges': several((blob, spans) => partsAnswer(blob, spans)),
  'whole blob whatever is asked': wholeAnswer,
  'whole blob for several ranges': several(wholeAnswer),
  '400 for several ranges': several(() => ({ status: 400 })),
  '416 for several ranges': several(() => ({ status: 416 })),
  '501 for several ranges': several(() => ({ status: 501 })),
  '416 for every range': () => ({ status: 416 }),
  '501 for every range': () => ({ status: 501 }),
  'the first of several ranges alone': several((blob, spans) =>
    singleAnswer(blob, spans[0] ?? [0, 0]),
  ),
  'parts in reverse': several((blob, spans) => partsAnswer(blob, spans.toReversed())),
  'parts joined': several((blob, spans) =>
    partsAnswer(blob, [[spans[0]?.[0] ?? 0, spans.at(-1)?.[1] ?? 0]]),
  ),
  'parts cut off once': several((blob, spans, count) =>
    partsAnswer(blob, spans, count < 3 ? 1000 : 0),
  ),
  '206 without Content-Range': several((blob) => ({ status: 206, body: blob.subarray(0, 100) })),
  'parts of another blob': several((blob, spans) => singleAnswer(blob, spans[0] ?? [0, 0], 7)),
  'other bytes whatever is asked': (blob, [span]) => singleAnswer(blob, span ?? [0, 0], 7),
  'ranges once, then the whole blob': (blob, spans, count) =>
    count > 1 ? wholeAnswer(blob) : partsOrOne(blob, spans),
  'ranges once, then 501': (blob, spans, count) =>
    count > 1 ? { status: 501 } : partsOrOne(blob, spans),
};

function partsOrOne(blob: Buffer, spans: readonly Span[]): FakeAnswer {
  return spans.length === 1 ? singleAnswer(blob, spans[0] ?? [0, 0]) : partsAnswer(blob, spans);
}
