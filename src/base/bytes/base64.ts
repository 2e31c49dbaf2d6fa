const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Decodes standard base64 with padding; line breaks inside are ignored. Undefined for any other text: Buffer also accepts the URL-safe
 * alphabet, missing padding and invalid characters. Source: RFC 4648 section 4.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/[\r\n]/g, '');
  return STANDARD.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}
