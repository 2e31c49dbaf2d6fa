/** Limits of varlink messages and interface descriptions; the format itself defines none. */

/** Ends every message. Source: varlink.org, "Protocol". */
export const MESSAGE_END = 0x00;
/** Maximum size of a message, in bytes: the largest manifest and config of an image, written as JSON strings. */
export const MESSAGE_BYTES_MAX = 16 << 20;
/** Maximum number of values in one message. */
export const MESSAGE_VALUES_MAX = 1_000_000;
/** Maximum size of an interface description, in bytes. */
export const DESCRIPTION_BYTES_MAX = 1 << 20;
/** Maximum nesting of types in a description, and of a checked value. */
export const TYPE_DEPTH_MAX = 32;

/** Names. Source: varlink.org, "Interface Definition", the grammar at its end. */
export const INTERFACE_NAME = /^[A-Za-z](?:-*[A-Za-z0-9])*(?:\.[A-Za-z0-9](?:-*[A-Za-z0-9])*)+$/;
export const MEMBER_NAME = /^[A-Z][A-Za-z0-9]*$/;
export const FIELD_NAME = /^[A-Za-z](?:_?[A-Za-z0-9])*$/;
