// Package examples runs the apps and recipes in examples/ as their READMEs say, to the letter. It has tests only.
package examples
