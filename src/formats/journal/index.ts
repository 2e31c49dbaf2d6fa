/**
 * Entries of the systemd journal in the form of its native socket and its export format: fields in upper case, one line each, or with
 * their length where a value has several lines.
 */
export { encodeEntry, isFieldName, isMessageId, type JournalField } from './entry.ts';
