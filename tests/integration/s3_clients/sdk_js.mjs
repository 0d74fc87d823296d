// The AWS SDK for JavaScript v3 with its defaults. Usage: node sdk_js.mjs; see lib.sh for the environment and the output.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createReadStream, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import path from "node:path";

// The modules are where npm put them, not beside this file.
const require = createRequire(path.resolve(process.env.S3_CLIENTS, "npm") + "/");
const S3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const client = "sdk-js";
const { S3_ENDPOINT: endpoint, S3_TRANSPORT: transport, S3_BUCKET: Bucket, S3_DATA: data } = process.env;
const small = readFileSync(`${data}/small`);
const large = readFileSync(`${data}/large`);
const MIB = 1 << 20;
const s3 = new S3.S3Client({ endpoint, forcePathStyle: true, maxAttempts: 1 });
const KEYS = ['&+-é"', "a//b", "/x", ".", "..", "k".repeat(1019), "emoji 🦊", "new\nline", "per%20cent", "a b", "<&>'", "trailing/"];

const run = (name, input) => s3.send(new S3[name + "Command"]({ Bucket, ...input }));
const read = async (Key, more = {}) => Buffer.from(await (await run("GetObject", { Key, ...more })).Body.transformToByteArray());
const sameBytes = (got, wanted) => assert.ok(Buffer.from(got).equals(wanted), `${got.length} bytes, other than the ${wanted.length} wanted`);
const refused = (promise, name) => assert.rejects(promise, (error) => (assert.equal(error.name, name), true));

const operations = {
  async "make-bucket"() {
    await run("CreateBucket");
    assert.ok((await s3.send(new S3.ListBucketsCommand({}))).Buckets.some((bucket) => bucket.Name === Bucket));
    await run("HeadBucket");
  },
  async put() {
    for (const body of [Buffer.alloc(0), small, large.subarray(0, 3000001)]) {
      await run("PutObject", { Key: "put", Body: body });
      sameBytes(await read("put"), body);
    }
    await run("PutObject", { Key: "small", Body: small });
  },
  // A stream has no checksum beforehand: it goes in a trailer.
  async stream() {
    await run("PutObject", { Key: "stream", Body: createReadStream(`${data}/large`, { highWaterMark: 1000 }), ContentLength: large.length });
    sameBytes(await read("stream"), large);
  },
  async get() {
    sameBytes(await read("small"), small);
    await refused(run("GetObject", { Key: "no" }), "NoSuchKey");
  },
  async head() {
    assert.equal((await run("HeadObject", { Key: "small" })).ContentLength, small.length);
    await refused(run("HeadObject", { Key: "no" }), "NotFound");
  },
  async "range-get"() {
    sameBytes(await read("small", { Range: "bytes=5-9" }), small.subarray(5, 10));
    await refused(run("GetObject", { Key: "small", Range: "bytes=99999999-" }), "InvalidRange");
  },
  async metadata() {
    await run("PutObject", { Key: "meta", Body: "x", Metadata: { a: "b c" }, ContentType: "a/b", CacheControl: "no-cache" });
    const answer = await run("HeadObject", { Key: "meta" });
    assert.deepEqual([answer.Metadata, answer.ContentType, answer.CacheControl], [{ a: "b c" }, "a/b", "no-cache"]);
  },
  async checksum() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
      await run("PutObject", { Key: "checksum", Body: small, ChecksumAlgorithm });
      assert.ok((await run("HeadObject", { Key: "checksum", ChecksumMode: "ENABLED" }))["Checksum" + ChecksumAlgorithm], ChecksumAlgorithm);
      sameBytes(await read("checksum", { ChecksumMode: "ENABLED" }), small);
    }
  },
  async keys() {
    for (const key of KEYS) {
      await run("PutObject", { Key: "keys/" + key, Body: key });
      sameBytes(await read("keys/" + key), Buffer.from(key));
    }
    for (const key of [...KEYS.slice(0, 5), "k".repeat(1024)]) {
      await run("PutObject", { Key: key, Body: key });
      sameBytes(await read(key), Buffer.from(key));
      await run("DeleteObject", { Key: key });
    }
    const listed = (await run("ListObjectsV2", { Prefix: "keys/", EncodingType: "url" })).Contents.map((item) => item.Key);
    const wanted = KEYS.map((key) => Buffer.from("keys/" + key)).sort(Buffer.compare);
    assert.deepEqual(listed.map((key) => Buffer.from(decodeURIComponent(key))), wanted);
  },
  async copy() {
    await run("CopyObject", { Key: "copied", CopySource: `${Bucket}/small` });
    sameBytes(await read("copied"), small);
    await run("CopyObject", { Key: "copied", CopySource: `${Bucket}/copied`, MetadataDirective: "REPLACE", Metadata: { renewed: "1" } });
    assert.deepEqual((await run("HeadObject", { Key: "copied" })).Metadata, { renewed: "1" });
  },
  async multipart() {
    const upload = new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from([large]) }, partSize: 5 * MIB });
    await upload.done();
    sameBytes(await read("large"), large);
    assert.match((await run("HeadObject", { Key: "large" })).ETag, /-5"$/);
  },
  async "multipart-steps"() {
    const { UploadId } = await run("CreateMultipartUpload", { Key: "steps", ChecksumAlgorithm: "SHA256" });
    const named = { Key: "steps", UploadId };
    const Parts = [];
    for (const [PartNumber, Body] of [[1, large.subarray(0, 5 * MIB)], [2, Buffer.from("end")]]) {
      const { ETag, ChecksumSHA256 } = await run("UploadPart", { ...named, PartNumber, Body, ChecksumAlgorithm: "SHA256" });
      Parts.push({ PartNumber, ETag, ChecksumSHA256 });
    }
    assert.deepEqual((await run("ListParts", named)).Parts.map((part) => part.PartNumber), [1, 2]);
    assert.deepEqual((await run("ListMultipartUploads")).Uploads.map((upload) => upload.UploadId), [UploadId]);
    await run("CompleteMultipartUpload", { ...named, MultipartUpload: { Parts } });
    sameBytes(await read("steps"), Buffer.concat([large.subarray(0, 5 * MIB), Buffer.from("end")]));
  },
  async "multipart-copy"() {
    const { UploadId } = await run("CreateMultipartUpload", { Key: "large-2" });
    const named = { Key: "large-2", UploadId };
    const Parts = [];
    for (let PartNumber = 1, from = 0; from < large.length; PartNumber++, from += 8 * MIB) {
      const CopySourceRange = `bytes=${from}-${Math.min(from + 8 * MIB, large.length) - 1}`;
      const { CopyPartResult } = await run("UploadPartCopy", { ...named, PartNumber, CopySource: `${Bucket}/large`, CopySourceRange });
      Parts.push({ PartNumber, ETag: CopyPartResult.ETag });
    }
    await run("CompleteMultipartUpload", { ...named, MultipartUpload: { Parts } });
    sameBytes(await read("large-2"), large);
  },
  async "multipart-abort"() {
    const { UploadId } = await run("CreateMultipartUpload", { Key: "aborted" });
    await run("AbortMultipartUpload", { Key: "aborted", UploadId });
    await refused(run("ListParts", { Key: "aborted", UploadId }), "NoSuchUpload");
  },
  async "list-pages"() {
    const keys = [];
    for await (const page of S3.paginateListObjectsV2({ client: s3, pageSize: 5 }, { Bucket, Prefix: "keys/" }))
      keys.push(...page.Contents.map((item) => item.Key));
    assert.equal(keys.length, KEYS.length);
    assert.ok((await run("ListObjectsV2", { Delimiter: "/" })).CommonPrefixes.some((item) => item.Prefix === "keys/"));
  },
  async "list-versions"() {
    assert.equal((await run("ListObjectVersions", { Prefix: "small" })).Versions.length, 1);
  },
  async "conditional-get"() {
    const { ETag } = await run("HeadObject", { Key: "small" });
    sameBytes(await read("small", { IfMatch: ETag }), small);
    await refused(run("GetObject", { Key: "small", IfMatch: '"other"' }), "PreconditionFailed");
  },
  async "conditional-put"() {
    const { ETag } = await run("PutObject", { Key: "once", Body: "1", IfNoneMatch: "*" });
    await refused(run("PutObject", { Key: "once", Body: "2", IfNoneMatch: "*" }), "PreconditionFailed");
    await run("PutObject", { Key: "once", Body: "3", IfMatch: ETag });
    await refused(run("PutObject", { Key: "once", Body: "4", IfMatch: ETag }), "PreconditionFailed");
  },
  async "conditional-delete"() {
    await refused(run("DeleteObject", { Key: "once", IfMatch: '"other"' }), "PreconditionFailed");
    await run("DeleteObject", { Key: "once", IfMatch: (await run("HeadObject", { Key: "once" })).ETag });
  },
  async tagging() {
    await run("PutObjectTagging", { Key: "small", Tagging: { TagSet: [{ Key: "a", Value: "b c" }] } });
    assert.deepEqual((await run("GetObjectTagging", { Key: "small" })).TagSet, [{ Key: "a", Value: "b c" }]);
  },
  async attributes() {
    const answer = await run("GetObjectAttributes", { Key: "large", ObjectAttributes: ["ObjectSize", "ObjectParts"] });
    assert.deepEqual([answer.ObjectSize, answer.ObjectParts.TotalPartsCount], [large.length, 5]);
  },
  async "presigned-put"() {
    const url = await getSignedUrl(s3, new S3.PutObjectCommand({ Bucket, Key: "presigned" }));
    assert.equal((await fetch(url, { method: "PUT", body: small })).status, 200);
    sameBytes(await read("presigned"), small);
  },
  async "presigned-get"() {
    const answer = await fetch(await getSignedUrl(s3, new S3.GetObjectCommand({ Bucket, Key: "small" })));
    sameBytes(Buffer.from(await answer.arrayBuffer()), small);
  },
  async delete() {
    await run("DeleteObject", { Key: "copied" });
    await refused(run("HeadObject", { Key: "copied" }), "NotFound");
  },
  async "delete-many"() {
    const Objects = (await run("ListObjectsV2")).Contents.map(({ Key }) => ({ Key: Key }));
    assert.equal((await run("DeleteObjects", { Delete: { Objects } })).Deleted.length, Objects.length);
    assert.equal((await run("ListObjectsV2")).KeyCount, 0);
  },
  async "remove-bucket"() {
    await run("DeleteBucket");
    await refused(run("HeadBucket"), "NotFound");
  },
};

console.log(client, "version", transport, require("@aws-sdk/client-s3/package.json").version);
for (const [name, operation] of Object.entries(operations)) {
  let result = "ok";
  try {
    await operation();
  } catch (error) {
    result = "FAILED";
    console.error(`-- ${client} ${name} ${transport}: ${error.stack?.split("\n").slice(0, 4).join("\n")}`);
  }
  console.log(client, name, transport, result);
}
