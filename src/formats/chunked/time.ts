import type { TarTime } from '#formats/tar';

const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/;
/** The first instant of the year 1: Go's zero time. */
const ZERO_SEC = -62_135_596_800;
/** The form of most times: zeros stand for digits. */
const PLAIN = '0000-00-00T00:00:00Z';
/** The month that was computed last: the times of a layer are often of few. */
let last = { year: 1970, month: 1, days: 0 };

/**
 * The instant of a time in a TOC: RFC 3339 with `T` and `Z` in upper case, a point or a comma before the fraction, in any
 * time zone. Undefined for any other form. Source: RFC 3339, section 5.6; Go time.Parse accepts the comma.
 */
export function parseTocTime(text: string): TarTime | undefined {
  return plainTime(text) ?? anyTime(text);
}

/** A time in UTC without a fraction, as most are. */
function plainTime(text: string): TarTime | undefined {
  if (text.length !== PLAIN.length || text.charCodeAt(PLAIN.length - 1) !== 0x5a) return undefined;
  let digits = 0;
  for (let at = 0; at < PLAIN.length - 1; at += 1) {
    const code = text.charCodeAt(at);
    if (PLAIN.charCodeAt(at) !== 0x30) {
      if (code !== PLAIN.charCodeAt(at)) return undefined;
      continue;
    }
    if (code < 0x30 || code > 0x39) return undefined;
    digits = 10 * digits + code - 0x30;
  }
  const second = digits % 100;
  const minute = Math.floor(digits / 100) % 100;
  const hour = Math.floor(digits / 1e4) % 100;
  const day = Math.floor(digits / 1e6) % 100;
  const month = Math.floor(digits / 1e8) % 100;
  // Each month has so many days; later ones of a month are left to the calendar.
  if (hour > 23 || minute > 59 || second > 59 || day < 1 || day > 28 || month < 1 || month > 12) {
    return undefined;
  }
  const days = daysBefore(Math.floor(digits / 1e10), month) + day - 1;
  return { sec: BigInt(days * 86_400 + hour * 3600 + minute * 60 + second), nsec: 0 };
}

/** Days between 1970 and a month. */
function daysBefore(year: number, month: number): number {
  if (year !== last.year || month !== last.month) {
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, 1);
    last = { year, month, days: date.getTime() / 86_400_000 };
  }
  return last.days;
}

function anyTime(text: string): TarTime | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  const [zoneHour, zoneMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (zoneHour > 23 || zoneMinute > 59) return undefined;
  const zone = (match[8] === '-' ? -1 : 1) * (zoneHour * 3600 + zoneMinute * 60);
  const sec = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - zone;
  return { sec: BigInt(sec), nsec: Number((match[7] ?? '').slice(0, 9).padEnd(9, '0')) };
}

/** Formats a time for a TOC, in UTC; undefined when its year does not have four digits. */
export function formatTocTime({ sec, nsec }: TarTime): string | undefined {
  const milliseconds = Number(sec) * 1000;
  const date = new Date(milliseconds);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) return undefined;
  const fraction = nsec === 0 ? '' : `.${String(nsec).padStart(9, '0').replace(/0+$/, '')}`;
  return `${date.toISOString().slice(0, 19)}${fraction}Z`;
}

/** True for the times that upstream treats as absent: none, Unix 0, and the first instant of the year 1. */
export function isNoTime(time: TarTime | undefined): boolean {
  if (time === undefined) return true;
  return time.nsec === 0 && (time.sec === 0n || time.sec === BigInt(ZERO_SEC));
}
