// The application of test/upstreams, on Node's own http module. What it answers is written down there.
import {createHash} from 'node:crypto';
import {createServer} from 'node:http';
import {gzipSync} from 'node:zlib';

const SMALL = 100_000, LARGE = 8 << 20;
const pattern = Buffer.alloc(LARGE, Buffer.from(Array.from({length: 251}, (_, i) => i)));
const streams = new Map(), kept = new Map(), deliveries = new Map();

const body = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
};
const text = (response, status, content, headers = {}) => response.writeHead(status, {'Content-Length': Buffer.byteLength(content), ...headers}).end(content);
const json = (response, value) => text(response, 200, JSON.stringify(value), {'Content-Type': 'application/json'});
const deliver = (id) => deliveries.set(id, (deliveries.get(id) ?? 0) + 1);

const answers = {
  who(request, response) {
    const Header = {};
    for (let i = 0; i < request.rawHeaders.length; i += 2) (Header[request.rawHeaders[i]] ??= []).push(request.rawHeaders[i + 1]);
    json(response, {Method: request.method, Host: request.headers.host, Target: request.url, Header});
  },
  async up(request, response) {
    const content = await body(request);
    json(response, {
      Length: request.headers['content-length'] ?? '', Coding: request.headers['transfer-encoding'] ?? '',
      Bytes: content.length, SHA256: createHash('sha256').update(content).digest('hex'),
    });
  },
  down(_, response, url) {
    response.writeHead(200, url.searchParams.has('chunked') ? {} : {'Content-Length': LARGE});
    for (let at = 0; at < LARGE; at += LARGE / 128) response.write(pattern.subarray(at, at + LARGE / 128));
    response.end();
  },
  file(request, response) {
    const etag = '"first"';
    if (request.headers['if-none-match'] === etag) return response.writeHead(304, {ETag: etag}).end();
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const [first, last] = from === undefined ? [0, SMALL - 1] : [Number(from), Number(to)];
    const headers = {ETag: etag, 'Accept-Ranges': 'bytes', 'Content-Length': last - first + 1};
    if (from !== undefined) headers['Content-Range'] = `bytes ${first}-${last}/${SMALL}`;
    response.writeHead(from === undefined ? 200 : 206, headers).end(pattern.subarray(first, last + 1)); // none at HEAD
  },
  async kept(request, response, url) {
    if (request.method !== 'PUT') return text(response, 200, kept.get(url.pathname));
    kept.set(url.pathname, await body(request));
    response.writeHead(201).end();
  },
  unwanted: (_, response) => text(response, 413, 'too much', {Connection: 'close'}),
  trailers(_, response) {
    response.writeHead(200, {Trailer: 'X-Checksum'});
    response.write('the end');
    response.addTrailers({'X-Checksum': '7'});
    response.end();
  },
  hints: (_, response) => response.writeEarlyHints({link: '</style.css>; rel=preload'}, () => text(response, 200, 'late')),
  gzip: (_, response) => response.writeHead(200, {'Content-Encoding': 'gzip'}).end(gzipSync('a page that is packed')),
  cookies: (_, response) => text(response, 200, '', {'Set-Cookie': ['a=1; Path=/', 'b=2; HttpOnly', 'a=3; Path=/deep']}),
  redirect: (_, response) => text(response, 302, '', {Location: '../else%2Fwhere?x=%20#there'}),
  missing: (_, response) => text(response, 404, 'not found, says the application', {'X-Page': 'own'}),
  broken: (_, response) => text(response, 500, 'broken, says the application', {'X-Page': 'own'}),
  events(_, response, url) {
    response.writeHead(200, {'Content-Type': 'text/event-stream'});
    response.write('data: begun\n\n');
    streams.set(url.searchParams.get('id'), response);
  },
  push(_, response, url) {
    const stream = streams.get(url.searchParams.get('id'));
    if (url.searchParams.has('end')) stream.end();
    else stream.write(`data: ${url.searchParams.get('data')}\n\n`);
    text(response, 204, '');
  },
  async posts(request, response, url) {
    deliver(url.pathname.split('/')[2]);
    await body(request);
    text(response, 200, 'taken');
  },
  deliveries: (_, response, url) => text(response, 200, String(deliveries.get(url.pathname.split('/')[2]) ?? 0)),
  hangs: (request, _, url) => {
    deliver(url.pathname.split('/')[2]);
    request.socket.destroy();
  },
  trap(request, response) {
    const {socket} = request;
    response.on('finish', () => {
      socket.removeAllListeners('data');
      socket.on('data', (head) => {
        const id = /^POST \/posts\/(\S+)/.exec(head)?.[1];
        if (id) deliver(id);
        socket.resetAndDestroy();
      });
    });
    text(response, 200, 'set');
  },
  dies(request, response, url) {
    response.writeHead(200, url.searchParams.has('chunked') ? {} : {'Content-Length': LARGE});
    response.write(pattern.subarray(0, SMALL), () => request.socket.destroy());
  },
  peer: (request, response) => text(response, 200, String(request.socket.remotePort)),
};

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://app');
  answers[url.pathname.split('/')[1]](request, response, url);
});
server.on('checkContinue', (request, response) => {
  if (request.url !== '/unwanted') response.writeContinue();
  server.emit('request', request, response);
});

// WebSocket, as far as an echo needs it: what comes in a frame goes back in a frame of the same kind.
server.on('upgrade', (request, socket, head) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let rest = head, closed = false;
  const send = (first, payload) => {
    const length = payload.length < 126 ? Buffer.from([payload.length]) : Buffer.from([126, payload.length >> 8, payload.length & 255]);
    socket.write(Buffer.concat([Buffer.from([first]), length, payload]));
  };
  socket.on('error', () => socket.destroy());
  const take = (more) => {
    rest = Buffer.concat([rest, more]);
    for (;;) {
      const long = (rest[1] & 127) === 126, start = long ? 8 : 6;
      if (rest.length < start) return;
      const size = long ? rest.readUInt16BE(2) : rest[1] & 127;
      if (rest.length < start + size) return;
      const mask = rest.subarray(start - 4, start), payload = Buffer.from(rest.subarray(start, start + size)).map((byte, i) => byte ^ mask[i % 4]);
      const first = rest[0];
      rest = rest.subarray(start + size);
      const asked = /^close (\d+)$/.exec(payload);
      if (asked) send(0x88, Buffer.from([asked[1] >> 8, asked[1] & 255]));
      else if (!closed) send(first, payload);
      if (first === 0x88) return socket.end();
      closed ||= asked;
    }
  };
  socket.on('data', take);
  take(Buffer.alloc(0));
});
server.listen(0, '127.0.0.1', () => console.log('listening on', server.address().port));
