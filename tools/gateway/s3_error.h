/* The errors that S3 clients know: code, HTTP status, sentence. */
#ifndef CATENA_TOOLS_GATEWAY_S3_ERROR_H
#define CATENA_TOOLS_GATEWAY_S3_ERROR_H

/* X(name = the code on the wire, status, message) */
#define S3_ERRORS(X)                                                                               \
    X(AccessDenied, 403, "Access Denied.")                                                         \
    X(AccessForbidden, 403, "The CORS rules of the bucket do not allow this.")                     \
    X(AccessControlListNotSupported, 400, "The bucket does not allow ACLs.")                       \
    X(AuthorizationHeaderMalformed, 400, "The authorization header is malformed.")                 \
    X(AuthorizationQueryParametersError, 400, "The authorization query parameters are invalid.")   \
    X(BadDigest, 400,                                                                              \
      "The Content-MD5 or checksum value that you specified did not match what the server "        \
      "received.")                                                                                 \
    X(BadRequest, 400, "Bad Request.")                                                             \
    X(BucketAlreadyExists, 409, "The requested bucket name is not available.")                     \
    X(BucketAlreadyOwnedByYou, 409, "The bucket exists already and is yours.")                     \
    X(BucketNotEmpty, 409, "The bucket you tried to delete is not empty.")                         \
    X(ConditionalRequestConflict, 409,                                                             \
      "A conflicting operation happened while the request was under way.")                         \
    X(EntityTooSmall, 400,                                                                         \
      "Your proposed upload is smaller than the minimum allowed object size.")                     \
    X(EntityTooLarge, 400, "Your proposed upload exceeds the maximum allowed object size.")        \
    X(ExpiredToken, 400, "The provided token has expired.")                                        \
    X(IncompleteBody, 400,                                                                         \
      "You did not provide the number of bytes specified by the Content-Length or "                \
      "x-amz-decoded-content-length header.")                                                      \
    X(InternalError, 500, "We encountered an internal error. Please try again.")                   \
    X(InvalidAccessKeyId, 403, "The access key id you provided does not exist in our records.")    \
    X(InvalidArgument, 400, "Invalid Argument.")                                                   \
    X(InvalidBucketName, 400, "The specified bucket is not valid.")                                \
    X(InvalidDigest, 400, "The Content-MD5 you specified is not valid.")                           \
    X(InvalidPartOrder, 400,                                                                       \
      "The list of parts was not in ascending order. Parts must be ordered by part number.")       \
    X(InvalidPartNumber, 416, "The requested partnumber is not satisfiable.")                      \
    X(InvalidPolicyDocument, 400, "The content of the form does not meet the policy document.")    \
    X(MalformedPOSTRequest, 400,                                                                   \
      "The body of your POST request is not well-formed multipart/form-data.")                     \
    X(InvalidRange, 416, "The requested range is not satisfiable.")                                \
    X(InvalidRequest, 400, "Invalid Request.")                                                     \
    X(InvalidTag, 400, "The tag provided was not a valid tag.")                                    \
    X(InvalidURI, 400, "Couldn't parse the specified URI.")                                        \
    X(KeyTooLongError, 400, "Your key is too long.")                                               \
    X(MalformedTrailerError, 400, "The trailer of the request is malformed.")                      \
    X(MalformedXML, 400,                                                                           \
      "The XML you provided was not well-formed or did not validate against our published "        \
      "schema.")                                                                                   \
    X(MaxMessageLengthExceeded, 400, "Your request was too big.")                                  \
    X(MetadataTooLarge, 400, "Your metadata headers exceed the maximum allowed metadata size.")    \
    X(MethodNotAllowed, 405, "The specified method is not allowed against this resource.")         \
    X(MissingContentLength, 411, "You must provide the Content-Length HTTP header.")               \
    X(MissingRequestBodyError, 400, "Request body is empty.")                                      \
    X(NoSuchBucket, 404, "The specified bucket does not exist.")                                   \
    X(NoSuchBucketPolicy, 404, "The bucket policy does not exist.")                                \
    X(NoSuchCORSConfiguration, 404, "The CORS configuration does not exist.")                      \
    X(NoSuchKey, 404, "The specified key does not exist.")                                         \
    X(NoSuchLifecycleConfiguration, 404, "The lifecycle configuration does not exist.")            \
    X(NoSuchPublicAccessBlockConfiguration, 404,                                                   \
      "The public access block configuration was not found.")                                      \
    X(NoSuchTagSet, 404, "The TagSet does not exist.")                                             \
    X(InvalidPart, 400,                                                                            \
      "One or more of the specified parts could not be found.  The part may not have been "        \
      "uploaded, or the specified entity tag may not match the part's entity tag.")                \
    X(NoSuchUpload, 404, "The specified multipart upload does not exist.")                         \
    X(NoSuchVersion, 404, "The specified version does not exist.")                                 \
    X(NoSuchWebsiteConfiguration, 404, "The specified bucket does not have a website.")            \
    X(NotImplemented, 501,                                                                         \
      "A header or query you provided implies functionality that is not "                          \
      "implemented.")                                                                              \
    X(ObjectLockConfigurationNotFoundError, 404,                                                   \
      "Object Lock configuration does not exist for this bucket.")                                 \
    X(OperationAborted, 409,                                                                       \
      "A conflicting conditional operation is currently in progress against this resource. "       \
      "Please try again.")                                                                         \
    X(OwnershipControlsNotFoundError, 404, "The bucket ownership controls were not found.")        \
    X(PreconditionFailed, 412, "At least one of the preconditions you specified did not hold.")    \
    X(ReplicationConfigurationNotFoundError, 404, "The replication configuration was not found.")  \
    X(RequestTimeTooSkewed, 403,                                                                   \
      "The difference between the request time and the server's time is too large.")               \
    X(RequestHeaderSectionTooLarge, 400,                                                           \
      "Your request header and metadata size exceeds the maximum allowed size.")                   \
    X(HttpVersionNotSupported, 505, "The HTTP version specified is not supported.")                \
    X(RequestTimeout, 400,                                                                         \
      "Your socket connection to the server was not read from or written to in time.")             \
    X(ServerSideEncryptionConfigurationNotFoundError, 404,                                         \
      "The server side encryption configuration was not found.")                                   \
    X(ServiceUnavailable, 503, "Service is unable to handle the request. Please try again.")       \
    X(SignatureDoesNotMatch, 403,                                                                  \
      "The request signature we calculated does not match the signature you provided. Check your " \
      "key and signing method.")                                                                   \
    X(SlowDown, 503, "Please reduce your request rate.")                                           \
    X(TooManyBuckets, 400, "You have attempted to create more buckets than allowed.")              \
    X(XAmzContentSHA256Mismatch, 400,                                                              \
      "The provided x-amz-content-sha256 header does not match what was computed.")                \
    X(NotModified, 304, "Not Modified.")                                                           \
    X(InsufficientStorage, 507, "No space is left on a storage node.")

enum s3_error {
    S3_OK = 0,
#define X(name, status, message) S3_##name,
    S3_ERRORS(X)
#undef X
};

unsigned s3_error_status(enum s3_error error);
const char *s3_error_code(enum s3_error error);
const char *s3_error_message(enum s3_error error);

#endif
