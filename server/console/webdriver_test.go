//go:build browser

package console_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// chromium is a real browser, driven over WebDriver (W3C), which is JSON over HTTP.
type chromium struct {
	t       *testing.T
	client  *http.Client
	session string // its address
}

// elementKey is how WebDriver names an element.
const elementKey = "element-6066-11e4-a52e-4f735466cecf"

// newChromium starts one that runs no script of a page and trusts any certificate.
func newChromium(t *testing.T) *chromium {
	t.Helper()
	b := &chromium{t: t, client: &http.Client{Timeout: time.Minute}}
	home := t.TempDir()
	driver := exec.CommandContext(context.WithoutCancel(t.Context()), "chromedriver", "--port=0")
	driver.Env = append(os.Environ(), "HOME="+home)
	out, err := driver.StdoutPipe()
	b.must(err)
	b.must(driver.Start())
	t.Cleanup(func() {
		_ = driver.Process.Kill()
		_ = driver.Wait()
	})
	lines, port := bufio.NewScanner(out), ""
	for port == "" && lines.Scan() {
		if m := regexp.MustCompile(`started successfully on port (\d+)`).FindStringSubmatch(lines.Text()); m != nil {
			port = m[1]
		}
	}
	if port == "" {
		t.Fatal("chromedriver does not say which port it is on")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	b.session = "http://127.0.0.1:" + port + "/session"
	var made struct {
		SessionID string `json:"sessionId"`
	}
	b.do(http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"acceptInsecureCerts": true,
		"goog:loggingPrefs":   map[string]string{"browser": "ALL"},
		"goog:chromeOptions": map[string]any{
			"args":  []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=900,1100", "--user-data-dir=" + filepath.Join(home, "profile")},
			"prefs": map[string]any{"profile.default_content_setting_values.javascript": 2},
		},
	}}}, &made)
	b.session += "/" + made.SessionID
	t.Cleanup(func() { b.do(http.MethodDelete, "", nil, nil) })
	b.do(http.MethodPost, "/timeouts", map[string]int{"implicit": 20_000}, nil) // find waits for the page that has it
	return b
}

func (b *chromium) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// do sends a command, and reads its value.
func (b *chromium) do(method, path string, body, into any) {
	b.t.Helper()
	var text []byte
	var err error
	if method == http.MethodPost {
		if body == nil {
			body = map[string]any{}
		}
		text, err = json.Marshal(body)
		b.must(err)
	}
	q, err := http.NewRequest(method, b.session+path, bytes.NewReader(text)) // it ends the browser after the test's context too
	b.must(err)
	resp, err := b.client.Do(q)
	b.must(err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	b.must(err)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, got)
	}
	if into != nil {
		b.must(json.Unmarshal(got, &struct{ Value any }{into}))
	}
}

func (b *chromium) open(url string) {
	b.t.Helper()
	b.do(http.MethodPost, "/url", map[string]string{"url": url}, nil)
}

// find is the element that a CSS selector finds.
func (b *chromium) find(selector string) (path string) {
	b.t.Helper()
	var found map[string]string
	b.do(http.MethodPost, "/element", map[string]string{"using": "css selector", "value": selector}, &found)
	return "/element/" + found[elementKey]
}

func (b *chromium) types(selector, text string) {
	b.t.Helper()
	b.do(http.MethodPost, b.find(selector)+"/value", map[string]string{"text": text}, nil)
}

func (b *chromium) clicks(selector string) {
	b.t.Helper()
	b.do(http.MethodPost, b.find(selector)+"/click", nil, nil)
}

func (b *chromium) text(selector string) (text string) {
	b.t.Helper()
	b.do(http.MethodGet, b.find(selector)+"/text", nil, &text)
	return text
}

// logged is what the browser has to say of the pages, as of what it refused to load.
func (b *chromium) logged() (all []string) {
	b.t.Helper()
	var rows []struct{ Level, Message string }
	b.do(http.MethodPost, "/se/log", map[string]string{"type": "browser"}, &rows)
	for _, r := range rows {
		all = append(all, fmt.Sprintf("%s: %s", r.Level, r.Message))
	}
	return all
}

// picture keeps what is to be seen, in the folder build/console.
func (b *chromium) picture(name string) {
	b.t.Helper()
	var png string
	b.do(http.MethodGet, "/screenshot", nil, &png)
	raw, err := base64.StdEncoding.DecodeString(png)
	b.must(err)
	folder := filepath.Join("..", "..", "build", "console")
	b.must(os.MkdirAll(folder, 0o755))
	b.must(os.WriteFile(filepath.Join(folder, name+".png"), raw, 0o644))
}
