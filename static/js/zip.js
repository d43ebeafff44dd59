// Password ZIPs made and opened in the page, by the library in vendor/zipjs: window.todoke.zip. Nothing is sent from here.
// Each promise rejects with an Error whose `kind` is "password" (the wrong one), "stopped", "unreadable" (the file
// `fileName` is gone or was changed), "broken" (no whole ZIP) or "other". The password lies in a worker only while one of
// these runs.
(function () {
  "use strict";
  var library = window.zip;
  var last = Promise.resolve();  // what runs, or ran
  // Already compressed: deflating these once more only takes time.
  var PACKED = /\.(?:docx|xlsx|pptx|docm|xlsm|odt|ods|jpe?g|png|gif|heic|webp|mp[34]|m4[av])$/i;
  var BROKEN = [  // of the library's ERR_…
    "BAD_FORMAT", "EOCDR_NOT_FOUND", "CENTRAL_DIRECTORY_NOT_FOUND", "LOCAL_FILE_HEADER_NOT_FOUND", "ENTRY_DATA_OUT_OF_BOUNDS",
    "INVALID_AUTHENTICATION_CODE", "INVALID_COMPRESSED_DATA", "INVALID_CRC32", "INVALID_UNCOMPRESSED_SIZE",
  ];
  if (!library || !window.DecompressionStream) { return; }
  library.configure({
    workerURI: document.currentScript.getAttribute("data-worker"),
    useWebWorkers: true,
    maxWorkers: 1,
    // What a worker doesn't do, the library would do on the page itself, which stands still meanwhile.
    workerStartupTimeout: 60000,
  });

  function kindOf(error) {
    if (error.name === "AbortError") { return "stopped"; }
    if (error.message === library.ERR_INVALID_PASSWORD) { return "password"; }
    return BROKEN.some(function (name) { return error.message === library["ERR_" + name]; }) ? "broken" : "other";
  }

  function tell(error, fileName, kind) {
    return Object.assign(new Error(error.message), { kind: kind || kindOf(error), fileName: fileName || "" });
  }

  // Of a file that is gone, was changed or is a folder, the streams tell no more than "network error"; one that is gone
  // even reads as empty.
  async function isUnreadable(file) {
    try {
      return (await file.slice(0, 1).arrayBuffer()).byteLength < Math.min(1, file.size);
    } catch (error) { return true; }
  }

  // One after another, and the worker, who knows the password, doesn't outlive the work.
  function alone(work) {
    var turn = last.then(work).finally(function () { return library.terminateWorkers(); });
    last = turn.catch(function () {});
    return turn;
  }

  // UTF-8 where it is, the encoding of Japanese Windows otherwise; undefined leaves a marked name to the library.
  function decodeText(bytes, encoding) {
    if (encoding === "utf-8") { return undefined; }
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (error) {
      return new TextDecoder("shift_jis").decode(bytes);
    }
  }

  function entriesOf(blob) {
    return new library.ZipReader(new library.BlobReader(blob), { decodeText: decodeText }).getEntries();
  }

  async function read(entry, password, onProgress, signal) {
    try {
      return await alone(function () {
        return entry.getData(new library.BlobWriter(), { password: password, onprogress: onProgress, signal: signal });
      });
    } catch (error) { throw tell(error, entry.filename); }
  }

  // Whether the password opens the ZIP given as base64.
  async function prove(password, encoded) {
    var bytes = Uint8Array.from(atob(encoded), function (letter) { return letter.charCodeAt(0); });
    try {
      var entries = await entriesOf(new Blob([bytes]));
      // Only the whole file tells: the two bytes that a ZIP keeps for this fit one wrong password in 65,536.
      await read(entries[0], password);
      return true;
    } catch (error) {
      if (error.kind === "password" || error.kind === "broken") { return false; }
      throw error;
    }
  }

  // An AES-256 ZIP of the files (File objects), in their order. onProgress(done, total) counts their bytes.
  async function pack(files, password, onProgress, signal) {
    var total = files.reduce(function (sum, file) { return sum + file.size; }, 0);
    var done = 0;
    var current = null;
    var writer = new library.ZipWriter(new library.BlobWriter("application/zip"));

    async function add(file) {
      current = file;
      await writer.add(file.name.normalize("NFC"), new library.BlobReader(file), {
        password: password,
        encryptionStrength: 3,
        level: PACKED.test(file.name) ? 0 : undefined,  // undefined: the browser's own deflate
        lastModDate: new Date(file.lastModified),
        useUnicodeFileNames: true,
        signal: signal,
        onprogress: function (bytes) { if (onProgress) { onProgress(done + bytes, total); } },
      });
      done += file.size;
    }

    try {
      return await alone(async function () {
        for (var index = 0; index < files.length; index += 1) { await add(files[index]); }
        return writer.close();
      });
    } catch (error) {
      throw tell(error, current.name, await isUnreadable(current) && !(signal && signal.aborted) && "unreadable");
    }
  }

  // The files of a ZIP, [{name, size, read}]; read(onProgress, signal) decrypts one into a Blob. The password is tried on
  // the first file with content.
  async function open(blob, password) {
    var entries;
    try {
      entries = (await entriesOf(blob)).filter(function (entry) { return !entry.directory; });
      var first = entries.find(function (entry) { return entry.encrypted && entry.uncompressedSize; });
      if (first) {
        var only = { password: password, checkPasswordOnly: true };
        await alone(function () { return first.getData(new library.BlobWriter(), only); });
      }
    } catch (error) { throw tell(error); }
    return entries.map(function (entry) {
      return {
        name: entry.filename,
        size: entry.uncompressedSize,
        read: function (onProgress, signal) { return read(entry, password, onProgress, signal); },
      };
    });
  }

  window.todoke.zip = { prove: prove, pack: pack, open: open };
})();
