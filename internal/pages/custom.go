package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Custom are templates and static files of an installation's own, read and tried out. It never changes.
type Custom struct {
	pages  map[string]*template.Template
	assets assets
}

// The bounds of a directory of templates. It is read at once, and kept in memory.
const (
	maxTemplate     = 256 << 10
	maxCustomAsset  = 512 << 10
	maxCustomAssets = 64
	staticDir       = "static"
	customPrefix    = "custom/"
)

// LoadCustom reads the templates of a directory: layout.html, which all pages stand in, and a file for each page that
// is to look different, such as signin.html. What is not there is built in. Static files are in the directory static
// below it. Every page is rendered with sample data; the error has all that is wrong, one fault a line.
func LoadCustom(dir string) (*Custom, error) {
	root, err := os.OpenRoot(dir) // symbolic links lead nowhere else
	if err != nil {
		return nil, fmt.Errorf("the templates cannot be read: %w", err)
	}
	defer root.Close()
	files := root.FS()
	c := &Custom{pages: map[string]*template.Template{}, assets: assets{}}
	var faults []error
	fault := func(file string, err error) { faults = append(faults, fmt.Errorf("%s: %w", file, err)) }
	own := map[string]string{}
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("the templates cannot be read: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		stem, isTemplate := strings.CutSuffix(name, ".html")
		switch {
		case strings.HasPrefix(name, "."), name == staticDir:
			continue
		case !isTemplate || stem != "layout" && !isPage(stem):
			fault(name, fmt.Errorf("there is no such page; the files are layout.html, %s.html and the directory static", strings.Join(pageNames(), ".html, ")))
			continue
		}
		text, err := readBounded(files, name, maxTemplate)
		if err != nil {
			fault(name, err)
			continue
		}
		own[stem] = string(text)
	}
	if err := c.readAssets(files); err != nil {
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		faults = c.parse(own)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// parse makes the pages that differ from what is built in, and tries them out.
func (c *Custom) parse(own map[string]string) (faults []error) {
	builtIn, err := loadAssets()
	if err != nil {
		return []error{err}
	}
	layoutText, ownLayout := own["layout"]
	for _, p := range allPages() {
		text, ownPage := own[p.name]
		if !ownLayout && !ownPage {
			continue
		}
		name := p.name + ".html"
		if !ownPage {
			name = "layout.html (with the built-in page " + p.name + ")"
		}
		parsed, err := parsePage(p.name, layoutText, text, template.FuncMap{"asset": c.asset})
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			continue
		}
		countSteps(parsed)
		for _, s := range p.samples {
			for _, err := range tryOut(parsed, p, s, builtIn) {
				faults = append(faults, fmt.Errorf("%s: %w", name, err))
			}
		}
		c.pages[p.name] = parsed
	}
	return slices.CompactFunc(faults, func(a, b error) bool { return a.Error() == b.Error() })
}

// asset is the template function that names a static file of the directory.
func (c *Custom) asset(name string) (string, error) {
	file, found := c.assets[customPrefix+name]
	if !found {
		return "", fmt.Errorf("there is no file static/%s", name)
	}
	return StaticPrefix + file.public, nil
}

// customTypes are the static files that pages may have. Scripts and fonts are not among them: the policy of the pages
// lets neither load.
var customTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
	".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon",
}

func (c *Custom) readAssets(files fs.FS) error {
	entries, err := fs.ReadDir(files, staticDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", staticDir, err)
	}
	var faults []error
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		full := path.Join(staticDir, name)
		contentType, known := customTypes[path.Ext(name)]
		switch {
		case !isAssetName(name):
			faults = append(faults, fmt.Errorf("%s: names of static files have only letters, digits, _ and -, and one full stop", full))
			continue
		case !known:
			faults = append(faults, fmt.Errorf("%s: static files are style sheets and pictures: .css, .svg, .png, .jpg, .jpeg, .gif, .webp, .avif, .ico", full))
			continue
		case len(c.assets) == maxCustomAssets:
			return errors.Join(append(faults, fmt.Errorf("%s: there are more than %d static files", staticDir, maxCustomAssets))...)
		}
		content, err := readBounded(files, full, maxCustomAsset)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", full, err))
			continue
		}
		c.assets[customPrefix+name] = newAsset(customPrefix+name, contentType, content)
	}
	return errors.Join(faults...)
}

func isAssetName(name string) bool {
	return strings.Count(name, ".") == 1 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" && name[0] != '.'
}

func readBounded(files fs.FS, name string, most int64) ([]byte, error) {
	irregular := errors.New("it is not a regular file")
	// Looked at before it is opened too: opening a named pipe waits for somebody to write into it.
	if info, err := fs.Stat(files, name); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, irregular)
	}
	file, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, irregular
	}
	var content bytes.Buffer
	n, err := io.Copy(&content, io.LimitReader(file, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return content.Bytes(), err
}

func isPage(name string) bool { return slices.Contains(pageNames(), name) }

func pageNames() []string {
	var names []string
	for _, p := range allPages() {
		names = append(names, p.name)
	}
	return names
}
