/**
 * Every error code of the project: what it means, which class carries it, and the keys its details always hold.
 * Codes are permanent, sentences may improve; match on `code`, never on `message`. Sorted by name (a test holds it so).
 */

/** What the caller can do, one kind for each error class; see `classes.ts`. */
export type ErrorKind =
  | 'not-found'
  | 'conflict'
  | 'integrity'
  | 'format'
  | 'unsupported'
  | 'busy'
  | 'transport'
  | 'host'
  | 'usage';

/** One row of the registry. `exit` overrides the exit status of the class (cli: 12 not authorised, 14 no space). */
export interface CodeEntry {
  readonly kind: ErrorKind;
  readonly meaning: string;
  readonly keys: readonly string[];
  readonly exit?: number;
}

/** The registry. Format errors always carry `offset` (bytes from the start of `what`) and `what`. */
export const ERROR_CODES = {
  ACCOUNT_TOO_LARGE: {
    kind: 'unsupported',
    meaning: 'Stores have more names, extents or blocks than one account can hold',
    keys: ['what', 'expected'],
  },
  ALGORITHM_MISMATCH: {
    kind: 'conflict',
    meaning: 'The fs-verity algorithm of a repository differs from the requested one',
    keys: ['expected', 'found'],
  },
  ARCHIVE_INVALID: {
    kind: 'format',
    meaning: 'An image archive is not a tar archive, or lacks a member that its format requires',
    keys: ['offset', 'what'],
  },
  ARCHIVE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A compressed image archive is larger than the limit after decompression',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  AUTH_CHALLENGE_UNUSABLE: {
    kind: 'transport',
    meaning: 'The challenge of a registry for a token is malformed or not safe to follow',
    keys: ['url', 'reason', 'retryable'],
  },
  AUTH_TOKEN_INVALID: {
    kind: 'transport',
    meaning: 'The response of a token server holds no token, or an invalid one',
    keys: ['url', 'expected', 'found', 'retryable'],
  },
  BLOB_DIGEST_MISMATCH: {
    kind: 'integrity',
    meaning: 'The bytes of a blob do not hash to the digest of its descriptor',
    keys: ['expected', 'found'],
  },
  BLOB_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The source does not hold a blob that a manifest or index lists',
    keys: ['digest'],
  },
  BLOB_SIZE_MISMATCH: {
    kind: 'integrity',
    meaning: 'A blob is longer or shorter than its descriptor says',
    keys: ['expected', 'found'],
  },
  BOOTC_STATE_INVALID: {
    kind: 'format',
    meaning: 'The state file of unified storage is not the JSON that bootc writes',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  BOOTC_STATE_VERSION: {
    kind: 'unsupported',
    meaning: 'The state file of unified storage has a version that is not known',
    keys: ['expected', 'found'],
  },
  BOOT_ENTRY_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'An image has no kernel or boot entry that could be prepared',
    keys: ['image'],
  },
  BOOT_FILE_INVALID: {
    kind: 'format',
    meaning: 'A boot entry, a unified kernel image or an Android boot image violates its format',
    keys: ['offset', 'what'],
  },
  BOOT_IMAGE_MISMATCH: {
    kind: 'integrity',
    meaning: 'A unified kernel image names another composefs image than the one it is for',
    keys: ['expected', 'found'],
  },
  BOOT_IMAGE_NOT_MATCHED: {
    kind: 'not-found',
    meaning: 'No way to make the bootable image gives the expected id',
    keys: ['expected', 'tried'],
  },
  BOOT_RESOURCES_CONFLICT: {
    kind: 'conflict',
    meaning: 'The boot files of an image contradict each other',
    keys: ['reason'],
  },
  BYTES_OUT_OF_RANGE: {
    kind: 'format',
    meaning: 'A field, length or offset is outside of the input',
    keys: ['offset', 'what'],
  },
  CHUNKED_ANNOTATION_CONFLICT: {
    kind: 'format',
    meaning: 'A layer has annotations for two TOCs, zstd:chunked and eStargz',
    keys: ['offset', 'what', 'chunked', 'stargz'],
  },
  CHUNKED_METADATA_TOO_LARGE: {
    kind: 'format',
    meaning: 'A TOC or tar-split may decompress to more than its limit, although it claims less',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  CHUNKED_TOC_INVALID: {
    kind: 'format',
    meaning: 'A TOC has chunk tables or paths that no valid writer creates',
    keys: ['offset', 'what', 'reason'],
  },
  CHUNKED_TOC_MISMATCH: {
    kind: 'integrity',
    meaning: 'The TOC of a layer differs from its tar archive',
    keys: ['what', 'expected', 'found'],
  },
  CHUNK_CONTENT_MISMATCH: {
    kind: 'integrity',
    meaning: 'A range of a layer does not decompress to the content that its TOC states',
    keys: ['expected', 'found'],
  },
  COMMAND_NEEDS_REPOSITORY: {
    kind: 'unsupported',
    meaning: 'A command that works on a repository was told to open none',
    keys: ['command'],
  },
  COMPRESSION_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'This version does not support the compression of a blob',
    keys: ['compression'],
  },
  CONFIG_INVALID: {
    kind: 'format',
    meaning: 'A configuration file for containers violates its format',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  CONFIG_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A configuration file that an option or the environment names does not exist',
    keys: ['path'],
  },
  CONNECTION_LOST: {
    kind: 'transport',
    meaning: 'The connection failed, or ended before the response was complete',
    keys: ['url', 'retryable'],
  },
  CONTAINERS_RECORDS_INVALID: {
    kind: 'format',
    meaning: 'The records of a containers-storage are not what its format demands',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  CREDENTIAL_HELPER_FAILED: {
    kind: 'host',
    meaning: 'A credential helper is missing, failed, or gave an invalid answer',
    keys: ['helper', 'verb', 'found'],
  },
  DIFF_ID_MISMATCH: {
    kind: 'integrity',
    meaning: 'An uncompressed layer does not hash to the diff id of the image config',
    keys: ['expected', 'found'],
  },
  DIGEST_INVALID: {
    kind: 'format',
    meaning: 'A digest or object id does not have the form of its algorithm',
    keys: ['offset', 'what'],
  },
  DUMPFILE_INVALID: {
    kind: 'format',
    meaning: 'A line of a composefs dumpfile violates the rules of its dialect',
    keys: ['offset', 'what'],
  },
  EROFS_FEATURE_UNKNOWN: {
    kind: 'format',
    meaning: 'An image uses an EROFS feature that composefs does not use',
    keys: ['offset', 'what'],
  },
  EROFS_INVALID: {
    kind: 'format',
    meaning: 'A structure of an EROFS image contradicts itself or another one',
    keys: ['offset', 'what'],
  },
  EROFS_MAGIC_INVALID: {
    kind: 'format',
    meaning: 'A file does not begin with the header of a composefs image',
    keys: ['offset', 'what'],
  },
  EROFS_TOO_LARGE: {
    kind: 'format',
    meaning: 'An image, or something in it, is larger than a named limit',
    keys: ['offset', 'what'],
  },
  FILE_CHANGED: {
    kind: 'integrity',
    meaning: 'A file changed its type or size while it was read',
    keys: ['path'],
  },
  FILE_OPEN_FOR_WRITE: {
    kind: 'busy',
    meaning: 'fs-verity cannot be enabled because a process has the file open for writing',
    keys: ['target'],
  },
  FORMAT_UNKNOWN: {
    kind: 'format',
    meaning: 'The format of a file is not known',
    keys: ['offset', 'what'],
  },
  FSVERITY_ALGORITHM_INVALID: {
    kind: 'format',
    meaning: 'A text is not the id of an fs-verity algorithm with blocks of 4096 bytes',
    keys: ['offset', 'what', 'reason'],
  },
  FSVERITY_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'The filesystem or kernel does not have fs-verity',
    keys: ['target'],
  },
  FUSE_REQUEST_INVALID: {
    kind: 'format',
    meaning: 'A request of the kernel to a FUSE server is shorter than it says or needs',
    keys: ['offset', 'what'],
  },
  GC_PLAN_INVALID: {
    kind: 'format',
    meaning: 'A file is not a plan that garbage collection wrote',
    keys: ['offset', 'what'],
  },
  GC_UNREADABLE: {
    kind: 'integrity',
    meaning:
      'A stream or image that a root reaches cannot be read, so garbage collection cannot find the objects that it uses',
    keys: ['path'],
  },
  GVARIANT_NOT_NORMAL: {
    kind: 'format',
    meaning: 'A serialised GVariant is damaged or not in normal form',
    keys: ['offset', 'what'],
  },
  GVARIANT_TEXT_INVALID: {
    kind: 'format',
    meaning: 'A text is not a value in GVariant text format',
    keys: ['offset', 'what'],
  },
  GVARIANT_TOO_LARGE: {
    kind: 'format',
    meaning: 'A GVariant holds more values, or a longer type, than the limit allows',
    keys: ['offset', 'what'],
  },
  GVARIANT_TYPE_INVALID: {
    kind: 'format',
    meaning: 'A GVariant type string is not exactly one definite type',
    keys: ['offset', 'what'],
  },
  HOME_UNSET: {
    kind: 'not-found',
    meaning: 'The user has no home directory, so the repository of the user has no path',
    keys: ['variable'],
  },
  HTTP_DENIED: {
    kind: 'transport',
    meaning: 'The server refused access: credentials are missing, wrong or insufficient',
    keys: ['url', 'status', 'retryable'],
    exit: 12,
  },
  HTTP_STATUS: {
    kind: 'transport',
    meaning: 'The server answered with an unexpected status',
    keys: ['url', 'status', 'retryable'],
  },
  IMAGE_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A source holds several images, and the reference selects none of them',
    keys: ['available'],
  },
  IMAGE_DELTA_BASE_MISSING: {
    kind: 'not-found',
    meaning:
      'The repository lacks the image that a delta starts from, or a layer that the delta does not have',
    keys: ['config'],
  },
  IMAGE_DELTA_INVALID: {
    kind: 'format',
    meaning: 'The parts of a delta between two images do not make an image',
    keys: ['offset', 'what'],
  },
  IMAGE_INCOMPLETE: {
    kind: 'integrity',
    meaning: 'A stored image does not refer to one of its parts',
    keys: ['image', 'missing'],
  },
  IMAGE_NOT_BUILDABLE: {
    kind: 'unsupported',
    meaning: 'An artifact has no filesystem',
    keys: ['image'],
  },
  IMAGE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The repository has no image of this name or id',
    keys: ['name'],
  },
  IMAGE_OUTPUT_IS_TERMINAL: {
    kind: 'conflict',
    meaning: 'An image would be written to a terminal',
    keys: [],
  },
  IMAGE_REJECTED: {
    kind: 'integrity',
    meaning: 'The policy of this host does not accept the image; the class gives the reason',
    keys: ['class', 'policy', 'scope'],
    exit: 12,
  },
  IMAGE_SOURCE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The file or directory of an image reference does not exist',
    keys: ['path'],
  },
  IMAGE_TOO_MANY_ENTRIES: {
    kind: 'format',
    meaning: 'The layers of an image, or a tar, hold more files and directories than the limit',
    keys: ['offset', 'what', 'limit'],
  },
  IMAGE_VERSION_RANGE: {
    kind: 'conflict',
    meaning: 'The requested range contains no version of the image format',
    keys: ['min', 'max'],
  },
  IMAGE_WITHOUT_HISTORY: {
    kind: 'unsupported',
    meaning: 'An artifact or a bare EROFS image has no history',
    keys: ['image', 'found'],
  },
  IMPORT_WOULD_COPY: {
    kind: 'unsupported',
    meaning:
      'A file can be neither reflinked nor hard-linked into the repository, and copying was not allowed',
    keys: ['reason'],
  },
  INDEX_TOO_DEEP: {
    kind: 'format',
    meaning: 'Image indexes are nested deeper than any real image',
    keys: ['offset', 'what'],
  },
  INSTALL_CONFIG_INVALID: {
    kind: 'format',
    meaning:
      'An install configuration of an image is not TOML, or has another value or key for storage',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  KEY_UNUSABLE: {
    kind: 'format',
    meaning: 'A key that a policy names is missing, or not a supported public key',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  LAYER_COMPRESSION_INVALID: {
    kind: 'format',
    meaning: 'A compressed layer is truncated, damaged, or followed by other bytes',
    keys: ['offset', 'what'],
  },
  LAYER_COUNT_MISMATCH: {
    kind: 'format',
    meaning: 'The number of layers in a manifest differs from the number of diff ids in its config',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  LAYER_DIFF_INVALID: {
    kind: 'format',
    meaning: 'A tar-diff cannot be applied: an operation is wrong, or reaches beyond its file',
    keys: ['offset', 'what', 'reason'],
  },
  LAYER_LINK_INVALID: {
    kind: 'format',
    meaning: 'The target of a hard link in a layer does not exist, or is a directory',
    keys: ['offset', 'what'],
  },
  LAYER_NOT_SERVABLE: {
    kind: 'unsupported',
    meaning: 'A file of a layer is too large to be sent as bytes, and its receiver may not open it',
    keys: ['name', 'sizeBytes'],
  },
  LAYER_PATH_INVALID: {
    kind: 'format',
    meaning: 'A path of a layer leaves the image, or a parent of it is not a directory',
    keys: ['offset', 'what'],
  },
  LAYER_TOO_LARGE: {
    kind: 'format',
    meaning: 'A layer is larger than the limit after decompression, like a decompression bomb',
    keys: ['offset', 'what', 'limit'],
  },
  LOGIN_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The credential store that logout changes has no credentials for this registry',
    keys: ['key', 'place'],
  },
  MANIFEST_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A registry has no manifest under a tag or digest',
    keys: ['registry', 'repository', 'reference'],
  },
  MANIFEST_WOULD_CHANGE: {
    kind: 'conflict',
    meaning:
      'The image cannot be pushed with its own digest, because a layer would be compressed again',
    keys: ['manifest', 'layer'],
  },
  MEDIA_TYPE_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'This version does not support the media type of a document or blob',
    keys: ['mediaType'],
  },
  MOUNT_EXISTS: {
    kind: 'conflict',
    meaning: 'An image is already mounted on the mount point',
    keys: ['target', 'image'],
  },
  MOUNT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No image is mounted at this path',
    keys: ['target'],
  },
  MOUNT_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'The kernel cannot mount this image, or the user may not mount',
    keys: ['image', 'errno'],
  },
  NAME_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A name or a prefix of an id matches several images or commits',
    keys: ['name', 'found'],
  },
  NO_SPACE: {
    kind: 'host',
    meaning: 'The filesystem has no space or no quota left',
    keys: ['errno', 'syscall', 'target'],
    exit: 14,
  },
  NUMBER_UNSAFE: {
    kind: 'format',
    meaning: 'A size or offset is larger than 2^53 - 1 and cannot be handled exactly',
    keys: ['offset', 'what'],
  },
  OBJECT_DIGEST_MISMATCH: {
    kind: 'integrity',
    meaning: 'The content of an object does not have the fs-verity digest that names it',
    keys: ['expected', 'found'],
  },
  OBJECT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The repository has no object with this id',
    keys: ['id'],
  },
  OBJECT_SIZE_MISMATCH: {
    kind: 'integrity',
    meaning: 'The size of an object differs from the size that its image states',
    keys: ['id', 'expected', 'found'],
  },
  OBJECT_TOO_LARGE: {
    kind: 'format',
    meaning: 'An object is larger than the limit for objects that are read as a whole',
    keys: ['offset', 'what'],
  },
  OCI_DOCUMENT_INVALID: {
    kind: 'format',
    meaning: 'A manifest, index or config is not JSON, or a field is missing or of another type',
    keys: ['offset', 'what'],
  },
  OCI_DOCUMENT_TOO_LARGE: {
    kind: 'format',
    meaning: 'A manifest, index or config is larger than its limit',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  OCI_LAYOUT_INVALID: {
    kind: 'format',
    meaning: 'A directory is not an image layout of a supported version',
    keys: ['offset', 'what'],
  },
  OCI_LAYOUT_VERSION_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'The file oci-layout names a version that is not supported',
    keys: ['version'],
  },
  OPENPGP_MISSING: {
    kind: 'unsupported',
    meaning:
      'OpenPGP signatures must be verified, and the optional package openpgp is not installed',
    keys: ['package'],
  },
  OSTREE_BINDING_MISMATCH: {
    kind: 'integrity',
    meaning: 'A commit is bound to a ref or collection other than the requested one',
    keys: ['expected', 'found'],
  },
  OSTREE_CHECKSUM_LENGTH: {
    kind: 'format',
    meaning: 'A checksum inside an OSTree object is not 32 bytes long',
    keys: ['offset', 'what'],
  },
  OSTREE_CHECKSUM_MISMATCH: {
    kind: 'integrity',
    meaning: 'The bytes of an OSTree object do not hash to its checksum',
    keys: ['expected', 'found', 'what'],
  },
  OSTREE_COMMIT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The repository holds no OSTree commit of this ref or id',
    keys: ['name'],
  },
  OSTREE_CONFIG_INVALID: {
    kind: 'format',
    meaning: 'A setting of an OSTree repository has an invalid value',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_CHECKSUM_MISMATCH: {
    kind: 'integrity',
    meaning: 'The superblock or a part of a static delta does not hash to its checksum',
    keys: ['expected', 'found', 'what'],
  },
  OSTREE_DELTA_INVALID: {
    kind: 'format',
    meaning: 'A static delta is damaged, or its operations are invalid',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_NAME_INVALID: {
    kind: 'format',
    meaning: 'The name of a static delta is not one or two checksums',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no usable static delta to the commit',
    keys: ['commit'],
  },
  OSTREE_DELTA_TOO_LARGE: {
    kind: 'format',
    meaning: 'A static delta, or a part of one, is larger than the limit',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A static delta uses an unknown version, recursion or compression',
    keys: ['what', 'found'],
  },
  OSTREE_DOWNGRADE: {
    kind: 'integrity',
    meaning: 'A commit is older than the commit that it would replace',
    keys: ['expected', 'found'],
  },
  OSTREE_FILE_TYPE_INVALID: {
    kind: 'format',
    meaning: 'A file of an OSTree repository has the wrong file type for its path',
    keys: ['offset', 'what'],
  },
  OSTREE_FILE_UNFIT: {
    kind: 'unsupported',
    meaning: 'A file has properties that the mode of the OSTree repository cannot hold',
    keys: ['checksum', 'found'],
  },
  OSTREE_HEADER_INVALID: {
    kind: 'format',
    meaning: 'The header of an OSTree file object is damaged, or does not match the object',
    keys: ['offset', 'what'],
  },
  OSTREE_KERNEL_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A tree that is to be committed as bootable has no kernel, or more than one',
    keys: ['path', 'found'],
  },
  OSTREE_KEYS_MISSING: {
    kind: 'not-found',
    meaning: 'Signatures must be verified, but no key is trusted, or a key file does not exist',
    keys: ['expected'],
  },
  OSTREE_KEY_FILE_INVALID: {
    kind: 'format',
    meaning: 'A key file (config, origin) violates the format of GLib',
    keys: ['offset', 'what'],
  },
  OSTREE_KEY_INVALID: {
    kind: 'format',
    meaning: 'A public or secret key for OSTree signatures is not in its format',
    keys: ['offset', 'what'],
  },
  OSTREE_METADATA_INVALID: {
    kind: 'format',
    meaning: 'A well-known metadata value of OSTree has another type or form than it must',
    keys: ['offset', 'what'],
  },
  OSTREE_METADATA_TOO_LARGE: {
    kind: 'format',
    meaning: 'An OSTree metadata object is larger than the limit',
    keys: ['offset', 'what'],
  },
  OSTREE_MODE_INVALID: {
    kind: 'format',
    meaning: 'A mode in an OSTree object has a wrong file type or unknown bits',
    keys: ['offset', 'what'],
  },
  OSTREE_MODE_READ_ONLY: {
    kind: 'unsupported',
    meaning: 'OSTree repositories of this mode are read-only',
    keys: ['mode'],
  },
  OSTREE_MODIFIERS_CONFLICT: {
    kind: 'conflict',
    meaning: 'Options of a commit contradict each other',
    keys: ['found'],
  },
  OSTREE_NAME_DUPLICATE: {
    kind: 'format',
    meaning: 'A dirtree holds one name twice',
    keys: ['offset', 'what'],
  },
  OSTREE_NAME_INVALID: {
    kind: 'format',
    meaning: 'A dirtree holds a name that no directory entry may have',
    keys: ['offset', 'what'],
  },
  OSTREE_NOT_COMMITTABLE: {
    kind: 'unsupported',
    meaning: 'OSTree cannot store a file of this type',
    keys: ['path', 'found'],
  },
  OSTREE_OBJECT_MISSING: {
    kind: 'not-found',
    meaning: 'An OSTree source does not hold an object that a commit needs',
    keys: ['checksum', 'kind'],
  },
  OSTREE_OBJECT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The repository does not hold an object that an OSTree commit needs',
    keys: ['object'],
  },
  OSTREE_OVERLAY_CONFLICT: {
    kind: 'conflict',
    meaning: 'Trees cannot be merged: a path is a file in one and a directory in another',
    keys: ['path'],
  },
  OSTREE_OVERRIDE_INVALID: {
    kind: 'format',
    meaning: 'A line of a statoverride file is malformed',
    keys: ['offset', 'what'],
  },
  OSTREE_OVERRIDE_UNMATCHED: {
    kind: 'format',
    meaning: 'A statoverride names a path that the tree does not have',
    keys: ['offset', 'what'],
  },
  OSTREE_PATH_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'An OSTree commit has no file or directory of this path',
    keys: ['path', 'commit'],
  },
  OSTREE_PAYLOAD_INVALID: {
    kind: 'format',
    meaning:
      'The compressed payload of an OSTree file object is damaged, or not as long as its header says',
    keys: ['offset', 'what'],
  },
  OSTREE_REF_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A name matches more than one OSTree commit',
    keys: ['name'],
  },
  OSTREE_REF_EXISTS: {
    kind: 'conflict',
    meaning: 'An OSTree ref of this name, or with a conflicting name, already exists',
    keys: ['name'],
  },
  OSTREE_REF_INVALID: {
    kind: 'format',
    meaning: 'An OSTree ref name or ref file is invalid',
    keys: ['offset', 'what'],
  },
  OSTREE_REF_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The OSTree source has no such ref',
    keys: ['ref'],
  },
  OSTREE_REMOTE_INVALID: {
    kind: 'format',
    meaning: 'The settings of an OSTree remote contain no usable source',
    keys: ['offset', 'what'],
  },
  OSTREE_REMOTE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A configuration file has no OSTree remote of this name',
    keys: ['name', 'path'],
  },
  OSTREE_REMOTE_UNCONFIGURED: {
    kind: 'unsupported',
    meaning: 'The OSTree remote must be configured first, as its setting unconfigured-state says',
    keys: ['name', 'reason'],
  },
  OSTREE_REPO_EXISTS: {
    kind: 'conflict',
    meaning: 'The path already holds an OSTree repository',
    keys: ['path'],
  },
  OSTREE_REPO_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no OSTree repository at this path',
    keys: ['path'],
  },
  OSTREE_SIGNATURE_INVALID: {
    kind: 'integrity',
    meaning: 'No signature over these bytes was made by a trusted key',
    keys: ['what', 'scheme'],
  },
  OSTREE_SIGNATURE_MISSING: {
    kind: 'integrity',
    meaning: 'A signature is required, and none has this scheme',
    keys: ['what', 'scheme'],
  },
  OSTREE_SIGNATURE_SCHEME_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'A remote requires signatures of a scheme that is not supported',
    keys: ['found'],
  },
  OSTREE_STREAM_INVALID: {
    kind: 'format',
    meaning: 'The content of a commit stream is malformed',
    keys: ['offset', 'what'],
  },
  OSTREE_SUMMARY_CHECKSUM_MISMATCH: {
    kind: 'integrity',
    meaning: 'A subsummary does not hash to the checksum in the summary index',
    keys: ['expected', 'found', 'what'],
  },
  OSTREE_SUMMARY_EXPIRED: {
    kind: 'integrity',
    meaning: 'A summary has expired',
    keys: ['expected', 'found'],
  },
  OSTREE_SUMMARY_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The OSTree remote has no summary',
    keys: ['url'],
  },
  OSTREE_TAR_INVALID: {
    kind: 'format',
    meaning: 'A tar archive cannot be converted to the tree of an OSTree commit',
    keys: ['offset', 'what'],
  },
  OSTREE_TREE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A commit has more entries or deeper directories than the limit',
    keys: ['offset', 'what'],
  },
  OSTREE_VERSION_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'The version of an OSTree repository is not 1',
    keys: ['found'],
  },
  OSTREE_XATTR_INVALID: {
    kind: 'format',
    meaning:
      'An extended attribute of an OSTree object has a bad name, a repeated name, or a wrong place',
    keys: ['offset', 'what'],
  },
  PATH_LINK_LOOP: {
    kind: 'not-found',
    meaning: 'A path in an image contains more symbolic links than Linux follows',
    keys: ['path'],
  },
  PATTERN_INVALID: {
    kind: 'format',
    meaning: 'A pattern for file names is invalid',
    keys: ['offset', 'what'],
  },
  PLATFORM_INVALID: {
    kind: 'format',
    meaning: 'A platform does not have the form os/architecture[/variant]',
    keys: ['offset', 'what'],
    exit: 2,
  },
  PLATFORM_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The source has no image for the platform',
    keys: ['wanted', 'available'],
  },
  POLICY_INVALID: {
    kind: 'format',
    meaning: 'A policy.json violates its format',
    keys: ['offset', 'what', 'file', 'expected', 'found', 'class'],
  },
  POLICY_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A policy.json that is named or required does not exist',
    keys: ['class', 'candidates'],
    exit: 12,
  },
  PROTOCOL_BROKEN: {
    kind: 'transport',
    meaning: 'The peer violates HTTP/1.1 (RFC 9112)',
    keys: ['url', 'retryable'],
  },
  PULL_OVER_BUDGET: {
    kind: 'conflict',
    meaning: 'A pull would fetch more bytes than it is allowed to',
    keys: ['expected', 'found'],
    exit: 3,
  },
  RANGE_MISMATCH: {
    kind: 'transport',
    meaning: 'The server sent other bytes than the requested range, or a body of the wrong size',
    keys: ['url', 'expected', 'found', 'retryable'],
  },
  RANGE_RESPONSE_INVALID: {
    kind: 'format',
    meaning: 'A response to a range request states no range, or an invalid one',
    keys: ['offset', 'what', 'reason'],
  },
  RATE_LIMITED: {
    kind: 'transport',
    meaning: 'The server answered every attempt with a request to slow down',
    keys: ['url', 'status', 'retryable'],
  },
  REDIRECT_REFUSED: {
    kind: 'transport',
    meaning: 'There are too many redirects, or a redirect is insecure or has no HTTP URL',
    keys: ['url', 'retryable'],
  },
  REFERENCE_INVALID: {
    kind: 'format',
    meaning: 'An image reference does not follow the grammar of its transport',
    keys: ['offset', 'what'],
    exit: 2,
  },
  REF_NAME_INVALID: {
    kind: 'format',
    meaning: 'A name is not allowed for a reference, stream or tag',
    keys: ['offset', 'what'],
    exit: 2,
  },
  REGISTRY_ANSWER_INVALID: {
    kind: 'transport',
    meaning: 'An answer of a registry violates the distribution specification',
    keys: ['url', 'expected', 'found', 'retryable'],
  },
  REGISTRY_BLOCKED: {
    kind: 'unsupported',
    meaning: 'The configuration of this host blocks the registry',
    keys: ['registry', 'file'],
    exit: 12,
  },
  REGISTRY_NAME_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A registry has no repository of this name',
    keys: ['registry', 'repository'],
  },
  REPO_DIRECTORY_FOREIGN: {
    kind: 'conflict',
    meaning: 'A directory holds files that do not belong to a repository',
    keys: ['path', 'found'],
  },
  REPO_ENTRY_INVALID: {
    kind: 'integrity',
    meaning: 'An entry of a repository has the wrong file type, or the wrong target',
    keys: ['path'],
  },
  REPO_EXISTS: {
    kind: 'conflict',
    meaning: 'A repository with a different configuration already exists',
    keys: ['expected', 'found'],
  },
  REPO_FEATURE_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'A repository requires features that this version does not support',
    keys: ['features'],
  },
  REPO_LOCKED: {
    kind: 'busy',
    meaning: 'Another process holds the lock of the repository',
    keys: ['path'],
  },
  REPO_METADATA_INVALID: {
    kind: 'format',
    meaning: 'The meta.json of a repository is not JSON, or violates its format',
    keys: ['offset', 'what'],
  },
  REPO_METADATA_MISSING: {
    kind: 'not-found',
    meaning: 'The directory has no meta.json and no objects to infer it from',
    keys: ['path'],
  },
  REPO_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no repository directory at this path',
    keys: ['path'],
  },
  REPO_READ_ONLY: {
    kind: 'unsupported',
    meaning: 'The repository cannot be changed: its filesystem, permissions or features forbid it',
    keys: ['reason'],
  },
  REPO_VERSION_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A repository has a format version that is too new',
    keys: ['expected', 'found'],
  },
  RESPONSE_MALFORMED: {
    kind: 'format',
    meaning: 'A response violates HTTP/1.1',
    keys: ['offset', 'what'],
  },
  RESPONSE_TOO_LARGE: {
    kind: 'transport',
    meaning: 'A response body is longer than the limit',
    keys: ['url', 'limitBytes', 'retryable'],
  },
  SELINUX_POLICY_INVALID: {
    kind: 'format',
    meaning: 'A file of the SELinux policy in an image violates the format of libselinux',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SELINUX_POLICY_TOO_COSTLY: {
    kind: 'format',
    meaning: 'The patterns of an SELinux policy are too large, or matching takes too long',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SHORT_NAME_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A short name has several candidates, and the configuration requires one',
    keys: ['name', 'candidates'],
  },
  SHORT_NAME_UNRESOLVED: {
    kind: 'not-found',
    meaning: 'A short name has no alias, and there is no registry to search',
    keys: ['name', 'files'],
  },
  SIGNATURE_FILE_INVALID: {
    kind: 'format',
    meaning: 'A file or manifest with signatures violates its format',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SIGNATURE_PAYLOAD_INVALID: {
    kind: 'format',
    meaning: 'The signed payload is not a statement about an image',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SOCKET_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A service has no socket: no address was given, and no service manager passed one',
    keys: [],
  },
  SPACE_INSUFFICIENT: {
    kind: 'host',
    meaning: 'The filesystem has less room than a pull needs at the least; nothing was fetched',
    keys: ['target', 'expected', 'found'],
    exit: 14,
  },
  SPLITSTREAM_ALGORITHM: {
    kind: 'format',
    meaning: 'A splitstream was written for another hash algorithm',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_BLOCK_SIZE: {
    kind: 'format',
    meaning: 'A splitstream names a verity block size other than 4096',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_BODY_TOO_LARGE: {
    kind: 'format',
    meaning: 'The body of a splitstream exceeds its declared size or the limit of chunks',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_COMPRESSION: {
    kind: 'format',
    meaning: 'A section of a splitstream is not exactly one or more zstd frames',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_CONTENT_TYPE: {
    kind: 'format',
    meaning: 'A splitstream has an unexpected content type',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_EXTERNAL_UNEXPECTED: {
    kind: 'format',
    meaning: 'A splitstream refers to an object where inline bytes must stand',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_INFO_TOO_SHORT: {
    kind: 'format',
    meaning: 'The info section of a splitstream is shorter than 80 bytes',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_INLINE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A splitstream would hold more inline bytes in a row than the limit of this program',
    keys: ['offset', 'what', 'limit'],
  },
  SPLITSTREAM_MAGIC: {
    kind: 'format',
    meaning: 'The bytes are not a splitstream',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_NAMED_REF_INVALID: {
    kind: 'format',
    meaning: 'A record of the named-ref table of a splitstream is malformed; reason gives details',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_RANGE: {
    kind: 'format',
    meaning: 'A section of a splitstream ends before it starts',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_RECORD_SPLIT: {
    kind: 'format',
    meaning: 'A record of a splitstream does not lie within one chunk and its padding',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_REF_INDEX: {
    kind: 'format',
    meaning: 'A chunk of a splitstream refers past the end of the object table',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_SIZE_MISMATCH: {
    kind: 'format',
    meaning: 'The rebuilt size of a splitstream differs from its declared size',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SPLITSTREAM_SYNC_UNAVAILABLE: {
    kind: 'unsupported',
    meaning: 'This Node has no synchronous streaming zstd encoder that passes the self-test',
    keys: [],
  },
  SPLITSTREAM_TABLE_SIZE: {
    kind: 'format',
    meaning: 'A reference table of a splitstream is not a whole number of digests',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_TABLE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A table of a splitstream is larger than the limit of this program',
    keys: ['offset', 'what', 'limit'],
  },
  SPLITSTREAM_TRUNCATED: {
    kind: 'format',
    meaning: 'A splitstream ends inside a section, chunk or record',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SPLITSTREAM_VERSION: {
    kind: 'format',
    meaning: 'A splitstream has a version other than 0',
    keys: ['offset', 'what', 'reason'],
  },
  SPLIT_STREAM_INVALID: {
    kind: 'format',
    meaning: 'A stream of a layer and its files (splitdirfdstream) is malformed',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  STORE_DRIVER_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A containers-storage has a driver that this version does not read or write',
    keys: ['driver', 'path'],
  },
  STORE_LAYER_GONE: {
    kind: 'busy',
    meaning: 'A layer of containers-storage was removed while it was read, or is not complete',
    keys: ['layer', 'path'],
  },
  STORE_LOCKED: {
    kind: 'busy',
    meaning: 'Another process holds a lock of containers-storage',
    keys: ['path'],
  },
  STORE_METACOPY_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A layer of containers-storage has files whose content is in a lower layer',
    keys: ['layer', 'path'],
  },
  STORE_NEEDS_NAMESPACE: {
    kind: 'unsupported',
    meaning:
      'Files of containers-storage belong to subordinate ids of this user, and no user namespace with these ids can be made',
    keys: ['path'],
  },
  STORE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no store at a path, or a text does not name one',
    keys: ['path'],
  },
  STREAM_NOT_DOCUMENT: {
    kind: 'format',
    meaning: 'The body of a stream is not exactly one whole object',
    keys: ['offset', 'what'],
  },
  STREAM_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The repository has no stream with this name',
    keys: ['name'],
  },
  SYSCALL_FAILED: {
    kind: 'host',
    meaning: 'A system call failed; errno, syscall and target give details',
    keys: ['errno', 'syscall', 'target'],
  },
  SYSROOT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no directory at the path of a sysroot',
    keys: ['path'],
  },
  TAG_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The layout or archive has no image with this tag',
    keys: ['tag', 'available'],
  },
  TARGET_NOT_EMPTY: {
    kind: 'conflict',
    meaning: 'The target already exists, and cannot be added to',
    keys: ['path'],
  },
  TARGET_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'This transport is not supported as a target',
    keys: ['transport'],
  },
  TAR_CONTENT_FORM: {
    kind: 'format',
    meaning: 'A stored tar holds a payload inline that must be an object, or the reverse',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_DEVICE_INVALID: {
    kind: 'format',
    meaning: 'A tar member has a device number that the kernel does not have',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_EXTENSION_ORPHANED: {
    kind: 'format',
    meaning: 'No member follows the extension headers of a tar',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_EXTENSION_TOO_LARGE: {
    kind: 'format',
    meaning: 'An extension header of a tar is larger than 1 MiB',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_FIELD_INVALID: {
    kind: 'format',
    meaning: 'A numeric field of a tar header is not a number in its range',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_HEADER_CHECKSUM: {
    kind: 'format',
    meaning: 'The checksum of a tar header does not match its bytes',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_NOT_ENCODABLE: {
    kind: 'format',
    meaning: 'A member cannot be written to a tar; reason gives details',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_PATH_EMPTY: {
    kind: 'format',
    meaning: 'A tar member has no name',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_PATH_ESCAPES: {
    kind: 'format',
    meaning: 'A tar member or hard link target has a .. component',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_PATH_INVALID: {
    kind: 'format',
    meaning: 'A name in a tar holds a NUL',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_PAX_MALFORMED: {
    kind: 'format',
    meaning: 'A PAX record of a tar is malformed',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_SIZE_MISMATCH: {
    kind: 'format',
    meaning: 'The content of a tar member is longer or shorter than its size',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  TAR_SPARSE_INVALID: {
    kind: 'format',
    meaning: 'The map of a sparse tar member is malformed or too large',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_SPLIT_CONTENT_MISMATCH: {
    kind: 'integrity',
    meaning: 'The content of a file does not match the tar-split of its layer',
    keys: ['expected', 'found', 'name'],
  },
  TAR_SPLIT_INVALID: {
    kind: 'format',
    meaning: 'A tar-split is not a list of JSON records, one a line',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_SPLIT_MISSING: {
    kind: 'unsupported',
    meaning:
      'A layer of containers-storage has no tar-split, without which its tar cannot be rebuilt',
    keys: ['layer', 'path'],
  },
  TAR_TOO_MANY_MEMBERS: {
    kind: 'format',
    meaning: 'An archive has more members than the limit',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_TRUNCATED: {
    kind: 'format',
    meaning: 'A tar ends inside a member',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_TYPE_UNKNOWN: {
    kind: 'format',
    meaning: 'A tar member has an unsupported type',
    keys: ['offset', 'what', 'reason'],
  },
  TIMEOUT: {
    kind: 'transport',
    meaning: 'The peer sent no data, or too little, for too long',
    keys: ['url', 'retryable'],
  },
  TLS_UNTRUSTED: {
    kind: 'transport',
    meaning: 'The certificate of the server was not accepted',
    keys: ['url', 'retryable'],
  },
  TRANSPORT_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'This transport is not supported as a source',
    keys: ['transport'],
  },
  TREE_INVALID: {
    kind: 'format',
    meaning:
      'A tree cannot be written as an image or dumpfile: an index, a size, a name or a depth is out of range',
    keys: ['offset', 'what'],
  },
  TREE_IS_A_DIRECTORY: {
    kind: 'not-found',
    meaning: 'The path names a directory, not a file',
    keys: ['path'],
    exit: 5,
  },
  TREE_NOT_A_DIRECTORY: {
    kind: 'not-found',
    meaning: 'The path, or a parent of it, names a file, not a directory',
    keys: ['path'],
  },
  TREE_NOT_REGULAR: {
    kind: 'not-found',
    meaning: 'The path does not name a regular file',
    keys: ['path'],
    exit: 5,
  },
  TREE_PATH_INVALID: {
    kind: 'format',
    meaning: 'A path inside a tree has a component that is not a valid file name',
    keys: ['offset', 'what'],
  },
  TREE_PATH_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The tree has no such path',
    keys: ['path'],
  },
  TREE_TRANSFORM_IMPOSSIBLE: {
    kind: 'format',
    meaning: 'A tree does not have a directory that a transform needs',
    keys: ['offset', 'what'],
  },
  TREE_XATTR_MODE_UNKNOWN: {
    kind: 'format',
    meaning: 'The name of an xattr filter mode is not known',
    keys: ['offset', 'what'],
  },
  UNIFIED_REFLINK_MISSING: {
    kind: 'unsupported',
    meaning:
      'The mode of unified storage forbids copies, and the filesystem cannot share extents among the stores',
    keys: ['path'],
  },
  UNIFIED_SOURCE_UNKNOWN: {
    kind: 'conflict',
    meaning:
      'An image of a deployment is in no store, and its origin does not say where it came from',
    keys: ['manifestDigest'],
  },
  USAGE: {
    kind: 'usage',
    meaning: 'A request or a command line is invalid, or contradicts itself',
    keys: [],
  },
  VARLINK_CALL_FAILED: {
    kind: 'transport',
    meaning: 'A varlink service answered a call with an error',
    keys: ['error', 'method', 'parameters', 'retryable'],
  },
  VARLINK_INTERFACE_INVALID: {
    kind: 'format',
    meaning: 'The description of a varlink interface violates its grammar or a limit',
    keys: ['offset', 'what'],
  },
  VARLINK_MESSAGE_INVALID: {
    kind: 'format',
    meaning: 'A varlink message is not an object of JSON, lacks a member, or exceeds a limit',
    keys: ['offset', 'what'],
  },
  VERITY_ALGORITHM_MISMATCH: {
    kind: 'integrity',
    meaning: 'The fs-verity algorithm of a file differs from that of the repository',
    keys: ['expected', 'found', 'target'],
  },
  VERITY_ALREADY_ENABLED: {
    kind: 'conflict',
    meaning: 'fs-verity is already enabled on the file',
    keys: ['target'],
  },
  VERITY_NOT_ENABLED: {
    kind: 'integrity',
    meaning: 'fs-verity is required, but a file or repository does not have it',
    keys: ['what'],
  },
  VERITY_SIGNATURE_REJECTED: {
    kind: 'integrity',
    meaning: 'The kernel requires signatures for fs-verity and did not accept this one',
    keys: ['target'],
  },
  WORKER_FAILED: {
    kind: 'host',
    meaning: 'A worker thread ended without an answer, or with an unexpected error',
    keys: ['reason'],
  },
  XZ_DIGEST_MISMATCH: {
    kind: 'integrity',
    meaning: 'A check value inside an xz stream does not match its data',
    keys: ['expected', 'found', 'what'],
  },
  XZ_INVALID: {
    kind: 'format',
    meaning: 'An xz stream or its LZMA2 data is damaged',
    keys: ['offset', 'what'],
  },
  XZ_TOO_LARGE: {
    kind: 'format',
    meaning: 'An xz stream needs a larger dictionary than the limit, or decompresses to more',
    keys: ['offset', 'what'],
  },
  XZ_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'An xz stream uses an unknown filter or check',
    keys: ['what', 'found'],
  },
  ZSTD_FRAME_INVALID: {
    kind: 'format',
    meaning: 'A frame of zstd data is malformed',
    keys: ['offset', 'what', 'reason'],
  },
} as const satisfies Record<string, CodeEntry>;

/** A permanent error code. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** The codes that a class with this kind may carry. */
export type CodeOf<K extends ErrorKind> = {
  [C in ErrorCode]: (typeof ERROR_CODES)[C]['kind'] extends K ? C : never;
}[ErrorCode];

/** A value that survives `JSON.stringify` unchanged. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Details of an error with code `C`: at least the keys of its row. */
export type DetailsOf<C extends ErrorCode> = {
  readonly [K in (typeof ERROR_CODES)[C]['keys'][number]]: JsonValue;
} & { readonly [key: string]: JsonValue };
