package desktop

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"testing"
)

const (
	bright = 107 // of 255: hints in GNOME's entries are brighter, what is behind them is not
	dark   = 150 // letters on a light ground, as in a terminal, are darker
	light  = 160 // a ground that is brighter is a light one
	around = 24  // so far from a dot, to any one side, is its ground
	scale  = 3   // OCR wants letters of 30 dots
	// A line of a frame, or the cursor, is so long and no thicker; no letter is.
	longAcross, longDown, thin = 60, 17, 4
)

// readable makes of a picture what OCR reads best: large, black on white, and without the
// frames of entries and the cursor, which it takes for letters.
func readable(picture []byte) ([]byte, error) {
	in, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	g := image.NewGray(image.Rect(0, 0, in.Bounds().Dx(), in.Bounds().Dy()))
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			g.Set(x, y, in.At(in.Bounds().Min.X+x, in.Bounds().Min.Y+y))
		}
	}
	ground := grounds(g)
	withoutLines(g, ground)
	out := image.NewGray(image.Rect(0, 0, g.Rect.Dx()*scale, g.Rect.Dy()*scale))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			v := between(g, x, y)
			written := v > bright*scale*scale
			if ground(x/scale, y/scale) > light {
				written = v < dark*scale*scale
			}
			if !written {
				out.Pix[y*out.Stride+x] = 255
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, out); err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	return b.Bytes(), nil
}

// between is how bright a dot of the large picture is, times scale squared: the mean of
// those of the small one around it, by how near they are.
func between(g *image.Gray, x, y int) int {
	x0, fx, y0, fy := x/scale, x%scale, y/scale, y%scale
	x1, y1 := min(x0+1, g.Rect.Dx()-1), min(y0+1, g.Rect.Dy()-1)
	at := func(x, y int) int { return int(g.Pix[y*g.Stride+x]) }
	return (at(x0, y0)*(scale-fx)+at(x1, y0)*fx)*(scale-fy) + (at(x0, y1)*(scale-fx)+at(x1, y1)*fx)*fy
}

// grounds tells how bright it is around a dot: to the side where it is brightest, since
// letters stand at the very edge of a window.
func grounds(g *image.Gray) func(x, y int) int {
	w, h := g.Rect.Dx()+1, g.Rect.Dy()+1
	sums := make([]int, w*h) // of all dots above and left
	for y := 1; y < h; y++ {
		for x := 1; x < w; x++ {
			sums[y*w+x] = int(g.Pix[(y-1)*g.Stride+x-1]) + sums[(y-1)*w+x] + sums[y*w+x-1] - sums[(y-1)*w+x-1]
		}
	}
	mean := func(x0, y0, x1, y1 int) int {
		x0, y0, x1, y1 = max(0, x0), max(0, y0), min(w-1, x1), min(h-1, y1)
		return (sums[y1*w+x1] - sums[y0*w+x1] - sums[y1*w+x0] + sums[y0*w+x0]) / max(1, (x1-x0)*(y1-y0))
	}
	return func(x, y int) int {
		return max(mean(x-around, y-around, x+1, y+1), mean(x, y-around, x+around, y+1),
			mean(x-around, y, x+1, y+around), mean(x, y, x+around, y+around))
	}
}

// withoutLines darkens long thin lines on a dark ground.
func withoutLines(g *image.Gray, ground func(x, y int) int) {
	w, h := g.Rect.Dx(), g.Rect.Dy()
	across, down := make([]int, w*h), make([]int, w*h)
	runs := func(length, lines, step, stride int, into []int) {
		for l := range lines {
			for i := 0; i < length; {
				n := 0
				for i+n < length && g.Pix[l*stride+(i+n)*step] > bright {
					n++
				}
				for k := range n {
					into[l*stride+(i+k)*step] = n
				}
				i += n + 1
			}
		}
	}
	runs(w, h, 1, w, across)
	runs(h, w, w, 1, down)
	for i := range g.Pix {
		if across[i] >= longAcross && down[i] <= thin || down[i] >= longDown && across[i] <= thin {
			if ground(i%w, i/w) <= light {
				g.Pix[i] = 0
			}
		}
	}
}

func TestFramesAndTheCursorAreNotRead(t *testing.T) {
	in := image.NewGray(image.Rect(0, 0, 200, 60))
	for x := 10; x < 190; x++ { // a frame
		in.Pix[10*in.Stride+x] = 150
		in.Pix[50*in.Stride+x] = 150
	}
	for y := 20; y < 40; y++ { // the cursor
		in.Pix[y*in.Stride+20] = 255
	}
	for y := 24; y < 36; y++ { // a letter
		in.Pix[y*in.Stride+30] = 150
		in.Pix[y*in.Stride+31] = 150
	}
	var b bytes.Buffer
	must(t, png.Encode(&b, in))
	read, err := readable(b.Bytes())
	must(t, err)
	out, err := png.Decode(bytes.NewReader(read))
	must(t, err)
	black := image.Rectangle{}
	for y := range out.Bounds().Dy() {
		for x := range out.Bounds().Dx() {
			if r, _, _, _ := out.At(x, y).RGBA(); r == 0 {
				black = black.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if want := image.Rect(28*scale, 22*scale, 34*scale, 38*scale); black.Empty() || !black.In(want) {
		t.Errorf("what is left to read is %v, and the letter is in %v", black, want)
	}
}
