/** A field of an entry: its name and its value. */
export type JournalField = readonly [name: string, value: string];

/** Longest name of a field. Source: systemd, journal fields. */
const NAME_LENGTH_MAX = 64;

/** True for a field name that journald accepts from a program; journald's own begin with an underscore. Source: systemd.journal-fields(7). */
export function isFieldName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && /^[A-Z][A-Z0-9_]*$/.test(name);
}

/** True for a message id: 128 bits as 32 lower-case hex digits, not all zero. Source: sd-id128(3). */
export function isMessageId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text) && !/^0+$/.test(text);
}

/**
 * The bytes of an entry. A value with a line break is written with its length, so that no value can add a field.
 * Source: systemd, native journal protocol. Fields whose names journald would reject are omitted.
 */
export function encodeEntry(fields: Iterable<JournalField>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of fields) {
    if (!isFieldName(name)) continue;
    const bytes = Buffer.from(value, 'utf8');
    if (!bytes.includes(0x0a)) {
      parts.push(Buffer.from(`${name}=`), bytes, Buffer.from('\n'));
      continue;
    }
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    parts.push(Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n'));
  }
  return new Uint8Array(Buffer.concat(parts));
}
