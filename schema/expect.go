package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// object is a table or view that the migrations make.
type object struct {
	name          string
	view          bool
	parameterised bool   // a view that needs a parameter
	engine        string // of a table, without its arguments
	step          uint32
	columns       []columnText
}

// columnText is a column as its statement declares it.
type columnText struct {
	name string
	kind string // its type, as it was written
}

// The statements that migrations may hold. Objects are named with their database, and `;` ends a statement only
// at the end of a line (statements).
var (
	createDatabase = regexp.MustCompile(`^CREATE DATABASE `)
	copiedTable    = regexp.MustCompile("^ ON CLUSTER `(?:[^`\\\\]|\\\\.)+`\\nAS `(?:[^`\\\\]|\\\\.)+`\\.(\\w+)\\n")
	tableEngine    = regexp.MustCompile(`\bENGINE = (\w+)`)
	createObject   = regexp.MustCompile("^CREATE (TABLE|VIEW) IF NOT EXISTS `(?:[^`\\\\]|\\\\.)+`\\.(\\w+)")
	alterTable     = regexp.MustCompile("^ALTER TABLE `(?:[^`\\\\]|\\\\.)+`\\.(\\w+)(?: ON CLUSTER `[^`]+`)?\\s+")
	addColumn      = regexp.MustCompile(`^ADD COLUMN IF NOT EXISTS `)
	modifyColumn   = regexp.MustCompile(`^MODIFY COLUMN (?:IF EXISTS )?`)
	parameter      = regexp.MustCompile(`\{\w+:`)
	columnWord     = regexp.MustCompile(`^\w+$`)
)

// expect reads off the migrations what they make, in the order in which they do. It refuses a statement that it
// does not understand: a migration that is not expected is not verified either.
func expect(migrations []Migration) ([]*object, error) {
	var objects []*object
	for _, migration := range migrations {
		for _, statement := range migration.Statements {
			var err error
			if objects, err = expectStatement(objects, migration.Version, statement); err != nil {
				return nil, fmt.Errorf("read migration %s: %w", migration.Name, err)
			}
		}
	}
	return objects, nil
}

func expectStatement(objects []*object, step uint32, statement string) ([]*object, error) {
	if createDatabase.MatchString(statement) {
		return objects, nil
	}
	if match := createObject.FindStringSubmatch(statement); match != nil {
		made := &object{name: match[2], view: match[1] == "VIEW", step: step}
		made.parameterised = made.view && parameter.MatchString(withoutTexts(statement))
		if engine := tableEngine.FindStringSubmatch(withoutTexts(statement)); engine != nil {
			made.engine = engine[1]
		}
		var err error
		if made.columns, err = madeColumns(objects, statement[len(match[0]):]); err != nil {
			return nil, fmt.Errorf("%s: %w", made.name, err)
		}
		return append(objects, made), nil
	}
	match := alterTable.FindStringSubmatch(statement)
	if match == nil {
		return nil, fmt.Errorf("neither CREATE nor ALTER TABLE: %.60s", statement)
	}
	at := slices.IndexFunc(objects, func(o *object) bool { return o.name == match[1] && !o.view })
	if at < 0 {
		return nil, fmt.Errorf("ALTER TABLE %s: no migration makes it", match[1])
	}
	for _, change := range splitTop(statement[len(match[0]):]) {
		if err := objects[at].alter(change); err != nil {
			return nil, fmt.Errorf("ALTER TABLE %s: %w", match[1], err)
		}
	}
	return objects, nil
}

// madeColumns reads the columns of a table or view from what follows its name: a list, or another table's.
func madeColumns(objects []*object, text string) ([]columnText, error) {
	if match := copiedTable.FindStringSubmatch(text); match != nil {
		at := slices.IndexFunc(objects, func(o *object) bool { return o.name == match[1] && !o.view })
		if at < 0 {
			return nil, fmt.Errorf("AS %s: no migration makes it", match[1])
		}
		return slices.Clone(objects[at].columns), nil
	}
	list, err := brackets(text)
	if err != nil {
		return nil, err
	}
	var columns []columnText
	for _, declaration := range splitTop(list) {
		column, err := readColumn(declaration)
		if err != nil {
			return nil, err
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// alter applies one change of ALTER TABLE.
func (o *object) alter(change string) error {
	prefix := addColumn.FindString(change)
	if prefix == "" {
		prefix = modifyColumn.FindString(change)
	}
	if prefix == "" {
		return fmt.Errorf("neither ADD nor MODIFY COLUMN: %.60s", change)
	}
	column, err := readColumn(change[len(prefix):])
	if err != nil {
		return err
	}
	for i := range o.columns {
		if o.columns[i].name == column.name {
			o.columns[i] = column
			return nil
		}
	}
	o.columns = append(o.columns, column)
	return nil
}

// readColumn reads a name and a type; what follows (COMMENT, CODEC, DEFAULT, AFTER) is of no concern. A type is a
// word, with brackets perhaps: nothing in it has a space in front of a bracket.
func readColumn(text string) (columnText, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	end := strings.IndexAny(rest, " \n(")
	if end < 0 {
		end = len(rest)
	} else if rest[end] == '(' {
		inner, err := brackets(rest[end:])
		if err != nil {
			return columnText{}, fmt.Errorf("column %s: %w", name, err)
		}
		end += len(inner) + len("()")
	}
	if !columnWord.MatchString(name) || end == 0 {
		return columnText{}, fmt.Errorf("no name and type: %.60s", text)
	}
	return columnText{name, rest[:end]}, nil
}

// brackets returns what stands between the first bracket and its counterpart. Brackets in quoted texts are text.
func brackets(sql string) (string, error) {
	depth, begin := 0, -1
	for i, quoted := range quotes(sql) {
		switch {
		case quoted:
		case sql[i] == '(':
			if depth++; depth == 1 {
				begin = i + 1
			}
		case sql[i] == ')':
			if depth--; depth == 0 {
				return sql[begin:i], nil
			}
		}
	}
	return "", fmt.Errorf("a bracket is missing: %.60s", sql)
}

// splitTop splits at the commas that stand in no brackets and in no quoted text.
func splitTop(sql string) []string {
	var parts []string
	depth, begin := 0, 0
	for i, quoted := range quotes(sql) {
		switch {
		case quoted:
		case sql[i] == '(':
			depth++
		case sql[i] == ')':
			depth--
		case sql[i] == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(sql[begin:i]))
			begin = i + 1
		}
	}
	return append(parts, strings.TrimSpace(sql[begin:]))
}

// withoutTexts returns the statement without its quoted texts.
func withoutTexts(sql string) string {
	var rest strings.Builder
	for i, quoted := range quotes(sql) {
		if !quoted {
			rest.WriteByte(sql[i])
		}
	}
	return rest.String()
}

// quotes tells of every byte whether it is part of a quoted text or name, its quotation marks included. A doubled
// mark ends one text and begins the next, which comes to the same.
func quotes(sql string) []bool {
	inside := make([]bool, len(sql))
	var mark byte
	for i := 0; i < len(sql); i++ {
		switch c := sql[i]; {
		case mark == 0 && (c == '\'' || c == '`' || c == '"'):
			mark = c
			inside[i] = true
		case mark != 0:
			inside[i] = true
			if c == '\\' && i+1 < len(sql) {
				i++
				inside[i] = true
			} else if c == mark {
				mark = 0
			}
		}
	}
	return inside
}
