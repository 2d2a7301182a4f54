package extract_test

// dialects are lists in every form of the language, where the search for panics begins.
var dialects = []string{
	"path: /d\npaging: {style: offset, parameter: skip, size: take, rows: 2, stop: short}\nitems: data.list",
	"path: /d\npaging: {style: cursor, parameter: after, next: status, size: n, rows: 2}\nitems: data.list",
	"path: /d\npaging: {style: cursor, parameter: after, next_header: X-Next}\nitems: data.list",
	"path: /d\npaging: {style: last_id, parameter: after, size: n, rows: 1, more: data.total}\nitems: data.list",
	"path: /d\npaging: {style: link, next: status}\nitems: data.list",
	"path: /d\npaging: {style: link, next_header: Link}\nitems: data.list",
	"method: POST\npath: /d\nquery: {kind: 7}\npaging: {style: none}\nitems: data\nitems_as: map",
	"path: /d\nparts: [{path: /a, label: x}, {query: {b: c}}]\npaging: {style: page, parameter: p, first: 0, size: n, rows: 1, total: data.total}\nitems: data.list",
	"path: /d\npaging: {style: none}\nspans: {from: a, to: b, width: 168h, overlap: 1s, since: 2020-01-01, format: unix_seconds}\nitems: data.list",
	"path: /d\npaging: {style: none}\nitems: data.list\nsplit: {path: id, take: ['1'], leave: ['2']}\ndetail: {path: '/d/{id}', item: data.list.0}",
	"path: /d\npaging: {style: none}\nitems: data.list\nfields: {deposit_id: [id, '@key'], currency: {constant: EUR}, amount: {paths: [id, x.0.y], shift: -2, sign: absolute}, created_at: {constant: '2026-01-01T00:00:00Z'}}",
}
