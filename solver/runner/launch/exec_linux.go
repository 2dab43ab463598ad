package launch

import (
	"fmt"
	"os"
	"syscall"
)

// Exec executes the program args[0] in this process. It looks the program up in the PATH of
// env, the environment of the program. Exec returns only if an error occurs, and the error says
// why the program cannot be executed.
func Exec(args, env []string) error {
	if err := os.Setenv("PATH", getenv(env, "PATH")); err != nil {
		return err
	}
	file, err := findProgram(args[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("exec %s: %w", file, explainExec(file, syscall.Exec(file, args, env)))
}
