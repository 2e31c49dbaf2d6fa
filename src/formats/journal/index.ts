/**
 * Entries of the systemd journal, as its native socket and its export format take them: fields in upper case, one line each, or with their
 * length where a value has several lines.
 */
export { encodeEntry, isFieldName, isMessageId, type JournalField } from './entry.ts';
