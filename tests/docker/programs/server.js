// Tells how it runs.
const http = require('http')
const v8 = require('v8')

const megabytes = Math.round(v8.getHeapStatistics().heap_size_limit / 1048576)
http.createServer((request, response) => {
  response.end(JSON.stringify({ mode: process.env.NODE_ENV, megabytes, options: process.env.NODE_OPTIONS }))
}).listen(process.env.PORT)
process.on('SIGTERM', () => process.exit(0))
