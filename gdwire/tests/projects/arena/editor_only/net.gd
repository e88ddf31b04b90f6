class_name Net extends Nonsense (
