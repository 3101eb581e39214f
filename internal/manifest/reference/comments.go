// Package reference writes what users read about the fields of manifests, and what editors check them by, from the
// types and their comments. It runs when the documentation is made and when a test compares it; the program does
// not contain it.
package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/gatehouse-iap/gatehouse/internal/manifest"
)

const module = "github.com/gatehouse-iap/gatehouse/"

// comments are those of the types of some packages.
type comments struct {
	root   string // of the repository
	types  map[string]string
	fields map[string]string // "package.Type.Field"
	read   map[string]bool
}

func newComments(root string) *comments {
	return &comments{root: root, types: map[string]string{}, fields: map[string]string{}, read: map[string]bool{}}
}

// ofType is what a type's comment says.
func (c *comments) ofType(t reflect.Type) (string, error) {
	if err := c.load(t.PkgPath()); err != nil {
		return "", err
	}
	text := c.types[t.PkgPath()+"."+t.Name()]
	if text == "" {
		return "", fmt.Errorf("type %s has no comment", t)
	}
	return text, nil
}

// ofField is what a field's comment says, before it or behind it.
func (c *comments) ofField(f manifest.Field) (string, error) {
	if err := c.load(f.Owner.PkgPath()); err != nil {
		return "", err
	}
	text := c.fields[f.Owner.PkgPath()+"."+f.Owner.Name()+"."+f.GoName]
	if text == "" {
		return "", fmt.Errorf("field %s of %s has no comment: users read it in the reference", f.GoName, f.Owner)
	}
	return sentence(f, text), nil
}

// sentence turns a comment, which may begin with the field's name in Go, into one about what is written.
func sentence(f manifest.Field, text string) string {
	if rest, found := strings.CutPrefix(text, f.GoName+" "); found {
		text = rest
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

func (c *comments) load(pkg string) error {
	if c.read[pkg] {
		return nil
	}
	c.read[pkg] = true
	dir := filepath.Join(c.root, filepath.FromSlash(strings.TrimPrefix(pkg, module)))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if general, ok := decl.(*ast.GenDecl); ok && general.Tok == token.TYPE {
				c.add(pkg, general)
			}
		}
	}
	return nil
}

func (c *comments) add(pkg string, decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		named := spec.(*ast.TypeSpec)
		name := pkg + "." + named.Name.Name
		doc := named.Doc
		if doc == nil {
			doc = decl.Doc
		}
		c.types[name] = plain(doc)
		structure, ok := named.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, field := range structure.Fields.List {
			text := plain(field.Doc)
			if text == "" {
				text = plain(field.Comment)
			}
			for _, ident := range field.Names {
				c.fields[name+"."+ident.Name] = text
			}
		}
	}
}

func plain(group *ast.CommentGroup) string {
	return strings.Join(strings.Fields(group.Text()), " ")
}
