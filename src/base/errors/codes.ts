/**
 * Every error code of the project: what it means, which class carries it, and the keys its details always hold.
 * Codes are permanent, sentences may improve; match on `code`, never on `message`. Sorted by name (a test holds it so).
 */

/** The caller's possible move, one per error class; see `classes.ts`. */
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
  ALGORITHM_MISMATCH: {
    kind: 'conflict',
    meaning: 'A repository uses another fs-verity algorithm than the one asked for',
    keys: ['expected', 'found'],
  },
  ARCHIVE_INVALID: {
    kind: 'format',
    meaning: 'An image archive is not a tar archive with the members that its format demands',
    keys: ['offset', 'what'],
  },
  ARCHIVE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A compressed image archive unpacks to more than its limit',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  AUTH_CHALLENGE_UNUSABLE: {
    kind: 'transport',
    meaning: 'A registry asks for a token in a way that cannot be followed, or not safely',
    keys: ['url', 'reason', 'retryable'],
  },
  AUTH_TOKEN_INVALID: {
    kind: 'transport',
    meaning: 'A token server answers without a token, or with one that cannot be sent',
    keys: ['url', 'expected', 'found', 'retryable'],
  },
  BLOB_DIGEST_MISMATCH: {
    kind: 'integrity',
    meaning: 'The bytes of a blob do not hash to the digest of its descriptor',
    keys: ['expected', 'found'],
  },
  BLOB_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A blob that a manifest or index names is not in the source',
    keys: ['digest'],
  },
  BLOB_SIZE_MISMATCH: {
    kind: 'integrity',
    meaning: 'A blob is longer or shorter than its descriptor says',
    keys: ['expected', 'found'],
  },
  BYTES_OUT_OF_RANGE: {
    kind: 'format',
    meaning: 'A field, length or offset points outside the bytes at hand',
    keys: ['offset', 'what'],
  },
  CHUNKED_ANNOTATION_CONFLICT: {
    kind: 'format',
    meaning: 'A layer is annotated with a TOC of zstd:chunked and one of eStargz',
    keys: ['offset', 'what', 'chunked', 'stargz'],
  },
  CHUNKED_METADATA_TOO_LARGE: {
    kind: 'format',
    meaning: 'A TOC or tar-split could inflate past its limit, behind a smaller claim',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  CHUNKED_TOC_INVALID: {
    kind: 'format',
    meaning: 'A TOC has chunk tables or paths that no honest writer makes',
    keys: ['offset', 'what', 'reason'],
  },
  CHUNKED_TOC_MISMATCH: {
    kind: 'integrity',
    meaning: 'The TOC of a layer says something else than its tar',
    keys: ['what', 'expected', 'found'],
  },
  CHUNK_CONTENT_MISMATCH: {
    kind: 'integrity',
    meaning: 'A range of a layer does not inflate to the content that its TOC promises',
    keys: ['expected', 'found'],
  },
  COMPRESSION_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A blob is compressed in a way this version does not read',
    keys: ['compression'],
  },
  CONFIG_INVALID: {
    kind: 'format',
    meaning: 'A configuration file of containers breaks the rules of its format',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  CONFIG_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A configuration file that an option or the environment names is not there',
    keys: ['path'],
  },
  CONNECTION_LOST: {
    kind: 'transport',
    meaning: 'No connection could be made, or it ended before the response was complete',
    keys: ['url', 'retryable'],
  },
  CREDENTIAL_HELPER_FAILED: {
    kind: 'host',
    meaning: 'A credential helper is missing, failed, or gave no answer that can be read',
    keys: ['helper', 'verb', 'found'],
  },
  DIFF_ID_MISMATCH: {
    kind: 'integrity',
    meaning: 'An uncompressed layer does not hash to the diff id of the image config',
    keys: ['expected', 'found'],
  },
  DIGEST_INVALID: {
    kind: 'format',
    meaning: 'A digest or object id is not written as its algorithm demands',
    keys: ['offset', 'what'],
  },
  DUMPFILE_INVALID: {
    kind: 'format',
    meaning: 'A line of a composefs dumpfile breaks the rules of the dialect it is read by',
    keys: ['offset', 'what'],
  },
  EROFS_FEATURE_UNKNOWN: {
    kind: 'format',
    meaning: 'An image uses an EROFS feature that composefs images never have',
    keys: ['offset', 'what'],
  },
  EROFS_INVALID: {
    kind: 'format',
    meaning: 'A structure of an EROFS image contradicts itself or another one',
    keys: ['offset', 'what'],
  },
  EROFS_MAGIC_INVALID: {
    kind: 'format',
    meaning: 'A file does not begin as a composefs image does',
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
    meaning: 'fs-verity cannot be enabled because somebody has the file open for writing',
    keys: ['target'],
  },
  FORMAT_UNKNOWN: {
    kind: 'format',
    meaning: 'A file is of no format that this program knows',
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
  GC_PLAN_INVALID: {
    kind: 'format',
    meaning: 'A file is no plan that garbage collection wrote',
    keys: ['offset', 'what'],
  },
  GC_UNREADABLE: {
    kind: 'integrity',
    meaning:
      'Something that a root reaches cannot be read, so garbage collection cannot know what it needs',
    keys: ['path'],
  },
  GVARIANT_NOT_NORMAL: {
    kind: 'format',
    meaning: 'A serialised GVariant is damaged or not in normal form',
    keys: ['offset', 'what'],
  },
  GVARIANT_TEXT_INVALID: {
    kind: 'format',
    meaning: 'A text is no value in GVariant text format',
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
    meaning: 'The user has no home directory in which a repository could be looked for',
    keys: ['variable'],
  },
  HTTP_DENIED: {
    kind: 'transport',
    meaning: 'The server refused access: credentials are missing, wrong or not enough',
    keys: ['url', 'status', 'retryable'],
    exit: 12,
  },
  HTTP_STATUS: {
    kind: 'transport',
    meaning: 'The server answered with a status that is no answer to the request',
    keys: ['url', 'status', 'retryable'],
  },
  IMAGE_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A source offers several images and the reference names none of them',
    keys: ['available'],
  },
  IMAGE_INCOMPLETE: {
    kind: 'integrity',
    meaning: 'A stored image lacks the reference to a part of it',
    keys: ['image', 'missing'],
  },
  IMAGE_NOT_BUILDABLE: {
    kind: 'unsupported',
    meaning: 'An artifact has no filesystem to build an image from',
    keys: ['image'],
  },
  IMAGE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No image in the repository has this id or name',
    keys: ['name'],
  },
  IMAGE_OUTPUT_IS_TERMINAL: {
    kind: 'conflict',
    meaning: 'An image would be written to a terminal',
    keys: [],
  },
  IMAGE_REJECTED: {
    kind: 'integrity',
    meaning: 'The policy of this host does not accept the image; the class says why',
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
    meaning: 'No image version is inside the range asked for',
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
  KEY_UNUSABLE: {
    kind: 'format',
    meaning: 'A key that a policy names is missing, or no public key that is understood',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  LAYER_COMPRESSION_INVALID: {
    kind: 'format',
    meaning: 'A compressed layer is cut, damaged, or followed by other bytes',
    keys: ['offset', 'what'],
  },
  LAYER_COUNT_MISMATCH: {
    kind: 'format',
    meaning: 'A manifest has another number of layers than its config has diff ids',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  LAYER_LINK_INVALID: {
    kind: 'format',
    meaning: 'A hard link of a layer names nothing, or a directory',
    keys: ['offset', 'what'],
  },
  LAYER_PATH_INVALID: {
    kind: 'format',
    meaning: 'A path of a layer leaves the image or passes through something that is no directory',
    keys: ['offset', 'what'],
  },
  LAYER_TOO_LARGE: {
    kind: 'format',
    meaning: 'A layer unpacks to more than the limit, as a decompression bomb does',
    keys: ['offset', 'what', 'limit'],
  },
  LOGIN_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There are no credentials of this registry where logout removes them',
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
      'The image cannot be pushed under its own digest, since a layer would be compressed anew.',
    keys: ['manifest', 'layer'],
  },
  MEDIA_TYPE_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A document or blob has a media type this version does not read',
    keys: ['mediaType'],
  },
  MOUNT_EXISTS: {
    kind: 'conflict',
    meaning: 'An image is mounted already where another should be',
    keys: ['target', 'image'],
  },
  MOUNT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No image is mounted at this place',
    keys: ['target'],
  },
  MOUNT_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'The kernel does not mount this image here, or this user may not',
    keys: ['image', 'errno'],
  },
  NAME_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A name or the beginning of an id leads to several images or commits',
    keys: ['name', 'found'],
  },
  NO_SPACE: {
    kind: 'host',
    meaning: 'The filesystem has no room (or no quota) left for what must be written',
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
    meaning: 'An object is longer or shorter than what its user expects',
    keys: ['id', 'expected', 'found'],
  },
  OBJECT_TOO_LARGE: {
    kind: 'format',
    meaning: 'An object is larger than the limit of what reads it whole',
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
    meaning: 'A directory is not an image layout of the version this library reads',
    keys: ['offset', 'what'],
  },
  OCI_LAYOUT_VERSION_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'The file oci-layout names a version this library does not read',
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
    meaning: 'A commit is bound to another ref or collection than the one it was asked for as',
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
    meaning: 'A setting of an OSTree repository has no meaning',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_CHECKSUM_MISMATCH: {
    kind: 'integrity',
    meaning: 'The superblock or a part of a static delta does not hash to its checksum',
    keys: ['expected', 'found', 'what'],
  },
  OSTREE_DELTA_INVALID: {
    kind: 'format',
    meaning: 'A static delta is damaged, or its operations break the rules',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_NAME_INVALID: {
    kind: 'format',
    meaning: 'The name of a static delta is not one or two checksums',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No usable static delta leads to the commit',
    keys: ['commit'],
  },
  OSTREE_DELTA_TOO_LARGE: {
    kind: 'format',
    meaning: 'A static delta, or a part of one, is larger than the limit',
    keys: ['offset', 'what'],
  },
  OSTREE_DELTA_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'A static delta uses a newer version, a recursion or a compression that is not known',
    keys: ['what', 'found'],
  },
  OSTREE_DOWNGRADE: {
    kind: 'integrity',
    meaning: 'A commit is older than the one it should replace',
    keys: ['expected', 'found'],
  },
  OSTREE_FILE_TYPE_INVALID: {
    kind: 'format',
    meaning: 'A file of an OSTree repository has another type than its place demands',
    keys: ['offset', 'what'],
  },
  OSTREE_FILE_UNFIT: {
    kind: 'unsupported',
    meaning: 'A file has properties that the mode of the OSTree repository cannot hold',
    keys: ['checksum', 'found'],
  },
  OSTREE_HEADER_INVALID: {
    kind: 'format',
    meaning: 'The header of an OSTree file object is damaged or does not fit the object',
    keys: ['offset', 'what'],
  },
  OSTREE_KERNEL_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A tree that is to be committed as bootable has no kernel, or more than one',
    keys: ['path', 'found'],
  },
  OSTREE_KEYS_MISSING: {
    kind: 'not-found',
    meaning: 'Signatures must be verified, but no key is trusted or a key file is not there',
    keys: ['expected'],
  },
  OSTREE_KEY_FILE_INVALID: {
    kind: 'format',
    meaning: 'A key file (config, origin) is not written as GLib demands',
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
    meaning: 'OSTree repositories of this mode are only read',
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
    meaning: 'OSTree has no form for a file of this type',
    keys: ['path', 'found'],
  },
  OSTREE_OBJECT_MISSING: {
    kind: 'not-found',
    meaning: 'An OSTree source lacks an object that a commit needs',
    keys: ['checksum', 'kind'],
  },
  OSTREE_OBJECT_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'An object that an OSTree commit needs is not there',
    keys: ['object'],
  },
  OSTREE_OVERLAY_CONFLICT: {
    kind: 'conflict',
    meaning: 'Trees cannot be laid over each other: a file meets a directory',
    keys: ['path'],
  },
  OSTREE_OVERRIDE_INVALID: {
    kind: 'format',
    meaning: 'A line of a statoverride file breaks the rules',
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
    meaning: 'A name may mean more than one OSTree commit',
    keys: ['name'],
  },
  OSTREE_REF_EXISTS: {
    kind: 'conflict',
    meaning: 'An OSTree ref of this name, or one that its name collides with, is there already',
    keys: ['name'],
  },
  OSTREE_REF_INVALID: {
    kind: 'format',
    meaning: 'An OSTree ref name or ref file breaks the rules',
    keys: ['offset', 'what'],
  },
  OSTREE_REF_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The OSTree source has no such ref',
    keys: ['ref'],
  },
  OSTREE_REMOTE_INVALID: {
    kind: 'format',
    meaning: 'The settings of an OSTree remote name no usable source',
    keys: ['offset', 'what'],
  },
  OSTREE_REMOTE_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A configuration file describes no OSTree remote of this name',
    keys: ['name', 'path'],
  },
  OSTREE_REMOTE_UNCONFIGURED: {
    kind: 'unsupported',
    meaning: 'The OSTree remote says that it needs configuring first',
    keys: ['name', 'reason'],
  },
  OSTREE_REPO_EXISTS: {
    kind: 'conflict',
    meaning: 'There is an OSTree repository already',
    keys: ['path'],
  },
  OSTREE_REPO_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'There is no OSTree repository at this place',
    keys: ['path'],
  },
  OSTREE_SIGNATURE_INVALID: {
    kind: 'integrity',
    meaning: 'No signature was made by a trusted key over these bytes',
    keys: ['what', 'scheme'],
  },
  OSTREE_SIGNATURE_MISSING: {
    kind: 'integrity',
    meaning: 'A signature is required and there is none of this scheme',
    keys: ['what', 'scheme'],
  },
  OSTREE_SIGNATURE_SCHEME_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'A remote demands signatures of a scheme this library does not verify',
    keys: ['found'],
  },
  OSTREE_STREAM_INVALID: {
    kind: 'format',
    meaning: 'The content of a commit stream breaks its rules',
    keys: ['offset', 'what'],
  },
  OSTREE_SUMMARY_CHECKSUM_MISMATCH: {
    kind: 'integrity',
    meaning: 'A subsummary does not hash to the checksum in the summary index',
    keys: ['expected', 'found', 'what'],
  },
  OSTREE_SUMMARY_EXPIRED: {
    kind: 'integrity',
    meaning: 'A summary says that it has expired',
    keys: ['expected', 'found'],
  },
  OSTREE_SUMMARY_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The OSTree remote has no summary',
    keys: ['url'],
  },
  OSTREE_TAR_INVALID: {
    kind: 'format',
    meaning: 'A tar cannot become the tree of an OSTree commit',
    keys: ['offset', 'what'],
  },
  OSTREE_TREE_TOO_LARGE: {
    kind: 'format',
    meaning: 'A commit describes more entries or deeper directories than the limit',
    keys: ['offset', 'what'],
  },
  OSTREE_VERSION_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'An OSTree repository has another version than 1',
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
    meaning: 'A path in an image leads through more symbolic links than Linux follows',
    keys: ['path'],
  },
  PATTERN_INVALID: {
    kind: 'format',
    meaning: 'A pattern for file names cannot be used',
    keys: ['offset', 'what'],
  },
  PLATFORM_INVALID: {
    kind: 'format',
    meaning: 'A platform is not written os/architecture[/variant]',
    keys: ['offset', 'what'],
  },
  PLATFORM_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'No image for the wanted platform is offered',
    keys: ['wanted', 'available'],
  },
  POLICY_INVALID: {
    kind: 'format',
    meaning: 'A policy.json breaks the rules of its format',
    keys: ['offset', 'what', 'file', 'expected', 'found', 'class'],
  },
  POLICY_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'A policy.json that is named or demanded is not there',
    keys: ['class', 'candidates'],
    exit: 12,
  },
  PROTOCOL_BROKEN: {
    kind: 'transport',
    meaning: 'The peer does not speak HTTP/1.1 as RFC 9112 demands',
    keys: ['url', 'retryable'],
  },
  RANGE_MISMATCH: {
    kind: 'transport',
    meaning:
      'The server sent other bytes than the range that was asked for, or a body of another size',
    keys: ['url', 'expected', 'found', 'retryable'],
  },
  RANGE_RESPONSE_INVALID: {
    kind: 'format',
    meaning:
      'A response to a range request does not say which bytes it brings, or says what cannot be',
    keys: ['offset', 'what', 'reason'],
  },
  RATE_LIMITED: {
    kind: 'transport',
    meaning: 'The server asked to slow down until the attempts were used up',
    keys: ['url', 'status', 'retryable'],
  },
  REDIRECT_REFUSED: {
    kind: 'transport',
    meaning: 'A redirect is one too many, insecure, or names no HTTP URL',
    keys: ['url', 'retryable'],
  },
  REFERENCE_INVALID: {
    kind: 'format',
    meaning: 'An image reference does not follow the grammar of its transport',
    keys: ['offset', 'what'],
  },
  REF_NAME_INVALID: {
    kind: 'format',
    meaning: 'A name cannot be used for a reference, stream or tag',
    keys: ['offset', 'what'],
  },
  REGISTRY_ANSWER_INVALID: {
    kind: 'transport',
    meaning: 'An answer of a registry breaks the protocol of registries',
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
    meaning: 'A registry knows no repository of this name',
    keys: ['registry', 'repository'],
  },
  REPO_DIRECTORY_FOREIGN: {
    kind: 'conflict',
    meaning: 'A directory where a repository should be holds something else',
    keys: ['path', 'found'],
  },
  REPO_ENTRY_INVALID: {
    kind: 'integrity',
    meaning:
      'An entry of a repository is not the kind of file, or does not point where, the layout demands',
    keys: ['path'],
  },
  REPO_EXISTS: {
    kind: 'conflict',
    meaning: 'A repository is already there with a different configuration',
    keys: ['expected', 'found'],
  },
  REPO_FEATURE_UNKNOWN: {
    kind: 'unsupported',
    meaning: 'A repository needs features that this version does not know',
    keys: ['features'],
  },
  REPO_LOCKED: {
    kind: 'busy',
    meaning: 'Another process holds the lock of the repository',
    keys: ['path'],
  },
  REPO_METADATA_INVALID: {
    kind: 'format',
    meaning: 'The meta.json of a repository is not JSON or breaks its rules',
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
    meaning: 'The bytes of a response break the rules of HTTP/1.1',
    keys: ['offset', 'what'],
  },
  RESPONSE_TOO_LARGE: {
    kind: 'transport',
    meaning: 'A response body is longer than its purpose allows',
    keys: ['url', 'limitBytes', 'retryable'],
  },
  SELINUX_POLICY_INVALID: {
    kind: 'format',
    meaning: 'A file of the SELinux policy in an image is not written as libselinux demands',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SELINUX_POLICY_TOO_COSTLY: {
    kind: 'format',
    meaning: 'The patterns of a SELinux policy are too large, or matching paths takes too long',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SHORT_NAME_AMBIGUOUS: {
    kind: 'conflict',
    meaning: 'A short name has several candidates, and the configuration demands one',
    keys: ['name', 'candidates'],
  },
  SHORT_NAME_UNRESOLVED: {
    kind: 'not-found',
    meaning: 'A name without a host has neither an alias nor a registry to search',
    keys: ['name', 'files'],
  },
  SIGNATURE_FILE_INVALID: {
    kind: 'format',
    meaning: 'A file or manifest with signatures is not written as its format demands',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SIGNATURE_PAYLOAD_INVALID: {
    kind: 'format',
    meaning: 'What a signature signs is no statement about an image',
    keys: ['offset', 'what', 'expected', 'found'],
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
    meaning: 'The body of a splitstream holds more than its declared size or the chunk limit allow',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_COMPRESSION: {
    kind: 'format',
    meaning: 'A section of a splitstream is not exactly one or more zstd frames',
    keys: ['offset', 'what', 'reason'],
  },
  SPLITSTREAM_CONTENT_TYPE: {
    kind: 'format',
    meaning: 'A splitstream holds another kind of content than asked for',
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
    meaning: 'A record of the named-ref table of a splitstream is malformed; reason says how',
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
    meaning: 'A splitstream rebuilds to another size than it declares',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  SPLITSTREAM_SYNC_UNAVAILABLE: {
    kind: 'unsupported',
    meaning: 'This Node has no synchronous streaming zstd encoder that gives the known answers',
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
    meaning: 'A system call failed; errno, syscall and target say which',
    keys: ['errno', 'syscall', 'target'],
  },
  TAG_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'The layout or archive has no image with this tag',
    keys: ['tag', 'available'],
  },
  TARGET_NOT_EMPTY: {
    kind: 'conflict',
    meaning: 'What would be written is already there, and is not of the kind that can be added to',
    keys: ['path'],
  },
  TARGET_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'Images cannot be written to this transport',
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
    meaning: 'Extension headers of a tar have no member after them',
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
    meaning: 'The checksum of a tar header does not fit its bytes',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_NOT_ENCODABLE: {
    kind: 'format',
    meaning: 'A member cannot be written into a tar; reason says why',
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
    meaning: 'The content given for a tar member is longer or shorter than its size',
    keys: ['offset', 'what', 'expected', 'found'],
  },
  TAR_SPARSE_INVALID: {
    kind: 'format',
    meaning: 'The map of a sparse tar member is malformed or too large',
    keys: ['offset', 'what', 'reason'],
  },
  TAR_SPLIT_CONTENT_MISMATCH: {
    kind: 'integrity',
    meaning: 'The content of a file is not what the tar-split of its layer says',
    keys: ['expected', 'found', 'name'],
  },
  TAR_SPLIT_INVALID: {
    kind: 'format',
    meaning: 'A tar-split is not lines of the JSON records it is made of',
    keys: ['offset', 'what', 'reason'],
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
    meaning: 'A tar member has a type that cannot become a file',
    keys: ['offset', 'what', 'reason'],
  },
  TIMEOUT: {
    kind: 'transport',
    meaning: 'The peer sent nothing, or next to nothing, for too long',
    keys: ['url', 'retryable'],
  },
  TLS_UNTRUSTED: {
    kind: 'transport',
    meaning: 'The certificate of the peer was not accepted',
    keys: ['url', 'retryable'],
  },
  TRANSPORT_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'Images cannot be had in this way',
    keys: ['transport'],
  },
  TREE_INVALID: {
    kind: 'format',
    meaning:
      'A tree cannot be written as an image or dumpfile: an index, a size, a name or a depth is out of its range',
    keys: ['offset', 'what'],
  },
  TREE_IS_A_DIRECTORY: {
    kind: 'not-found',
    meaning: 'The path names a directory where a file is needed',
    keys: ['path'],
  },
  TREE_NOT_A_DIRECTORY: {
    kind: 'not-found',
    meaning: 'The path, or a parent of it, names a file where a directory is needed',
    keys: ['path'],
  },
  TREE_NOT_REGULAR: {
    kind: 'not-found',
    meaning: 'The path names something else than a regular file',
    keys: ['path'],
  },
  TREE_PATH_INVALID: {
    kind: 'format',
    meaning: 'A path inside a tree has a component that is no file name',
    keys: ['offset', 'what'],
  },
  TREE_PATH_NOT_FOUND: {
    kind: 'not-found',
    meaning: 'Nothing in the tree has this path',
    keys: ['path'],
  },
  TREE_TRANSFORM_IMPOSSIBLE: {
    kind: 'format',
    meaning: 'A tree lacks a directory that a transform needs',
    keys: ['offset', 'what'],
  },
  TREE_XATTR_MODE_UNKNOWN: {
    kind: 'format',
    meaning: 'The name of an xattr filter mode is none of the known ones',
    keys: ['offset', 'what'],
  },
  USAGE: {
    kind: 'usage',
    meaning: 'A request or a command line asks for what cannot be, or what does not fit together',
    keys: [],
  },
  VERITY_ALGORITHM_MISMATCH: {
    kind: 'integrity',
    meaning: 'A file has fs-verity of another algorithm than the repository uses',
    keys: ['expected', 'found', 'target'],
  },
  VERITY_ALREADY_ENABLED: {
    kind: 'conflict',
    meaning: 'fs-verity is already enabled on the file',
    keys: ['target'],
  },
  VERITY_NOT_ENABLED: {
    kind: 'integrity',
    meaning: 'fs-verity protection was demanded but a file or repository does not have it',
    keys: ['what'],
  },
  VERITY_SIGNATURE_REJECTED: {
    kind: 'integrity',
    meaning: 'The kernel demands a signature of fs-verity files and did not accept this one',
    keys: ['target'],
  },
  WORKER_FAILED: {
    kind: 'host',
    meaning: 'A worker thread ended without an answer, or with an error that is not ours',
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
    meaning: 'An xz stream needs a larger dictionary, or gives more bytes, than the limit',
    keys: ['offset', 'what'],
  },
  XZ_UNSUPPORTED: {
    kind: 'unsupported',
    meaning: 'An xz stream uses a filter or check that is not known',
    keys: ['what', 'found'],
  },
  ZSTD_FRAME_INVALID: {
    kind: 'format',
    meaning: 'A frame of zstd data is not built as the format demands',
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

/** Details of an error with code `C`: the keys of its row at least, more are welcome. */
export type DetailsOf<C extends ErrorCode> = {
  readonly [K in (typeof ERROR_CODES)[C]['keys'][number]]: JsonValue;
} & { readonly [key: string]: JsonValue };
